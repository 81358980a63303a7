"""The data folder: one run at a time, keys that stay, and errors that say what to do."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from loppestars_local.data_folder import DataFolder, FolderInUse, FolderUnusable, RunningPlatform

PLATFORM = RunningPlatform("http://127.0.0.1:8080", {"api": "http://127.0.0.1:1/metrics"}, "secret token", {"run": 1})


class TestAcquire:
    def test_a_second_run_is_refused_and_damages_nothing(self, tmp_path: Path) -> None:
        """Another process finds the folder taken, is told by whom, and leaves everything as it was."""
        folder = DataFolder(tmp_path / "data")
        folder.acquire()
        folder.announce(PLATFORM)
        with pytest.raises(FolderInUse, match=rf"process {os.getpid()}, http://127.0.0.1:8080"):
            DataFolder(tmp_path / "data").acquire()
        assert folder.run_file.exists()
        folder.release()
        again = DataFolder(tmp_path / "data")
        again.acquire()
        again.release()

    def test_what_a_killed_run_announced_is_gone_at_once(self, tmp_path: Path) -> None:
        """Scripts wait for `run.json`: an old one would send them to processes that are no more."""
        (tmp_path / "run.json").write_text('{"url": "http://127.0.0.1:1"}')
        folder = DataFolder(tmp_path)
        folder.acquire()
        assert not folder.run_file.exists()
        folder.release()

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"url"', "{}", "\x00"])
    def test_a_damaged_run_json_changes_nothing_about_it(self, tmp_path: Path, text: str) -> None:
        """Whatever stands in it, the second run gets its sentence."""
        folder = DataFolder(tmp_path)
        folder.acquire()
        folder.run_file.write_text(text, encoding="utf-8")
        with pytest.raises(FolderInUse, match="runs already on"):
            DataFolder(tmp_path).acquire()
        folder.release()

    def test_the_lock_ends_with_its_process(self, tmp_path: Path) -> None:
        """A killed run leaves no lock behind."""
        code = (
            "import os, sys; from pathlib import Path; from loppestars_local.data_folder import DataFolder; "
            "f = DataFolder(Path(sys.argv[1])); f.acquire(); os.kill(os.getpid(), 9)"
        )
        ended = subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
        assert ended.returncode == -9
        folder = DataFolder(tmp_path)
        folder.acquire()
        folder.release()

    def test_not_writable(self, tmp_path: Path) -> None:
        """A file in its place: one sentence with the way out."""
        (tmp_path / "file").write_text("x")
        with pytest.raises(FolderUnusable, match=r"cannot be written to .*make run DATA_DIR="):
            DataFolder(tmp_path / "file").acquire()


class TestFiles:
    def test_keys_stay_and_are_private(self, tmp_path: Path) -> None:
        """The same key on the next run, 64 random characters, readable by the owner only."""
        folder = DataFolder(tmp_path)
        folder.acquire()
        key = folder.key("jwt")
        assert len(key) == 64
        assert folder.key("jwt") == key
        assert folder.key("signing") != key
        assert stat.S_IMODE((tmp_path / "keys" / "jwt").stat().st_mode) == 0o600
        folder.release()

    def test_run_json(self, tmp_path: Path) -> None:
        """What scripts read, private, and gone after a clean stop."""
        folder = DataFolder(tmp_path)
        folder.acquire()
        folder.announce(PLATFORM)
        assert set(json.loads(folder.run_file.read_text())) == {"url", "metrics_urls", "admin_token", "pids"}
        assert stat.S_IMODE(folder.run_file.stat().st_mode) == 0o600
        folder.release()
        assert not folder.run_file.exists()
