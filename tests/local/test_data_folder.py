"""The data folder: one run at a time, keys that stay, and errors that say what to do."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from loppestars_local.data_folder import DataFolder, FolderInUse, FolderUnusable, RunningPlatform

PLATFORM = RunningPlatform(
    url="http://127.0.0.1:8080",
    metrics_urls={"api": "http://127.0.0.1:1/metrics"},
    admin_token="secret token",
    anon_key="public key",
    database_url="postgresql://loppestars@/loppestars",
    pids={"run": 1},
    environment={"DATABASE_URL": "postgresql://loppestars@/loppe stars", "STORAGE_DIR": "/data/storage"},
)


class TestAcquire:
    def test_second_run(self, tmp_path: Path) -> None:
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

    def test_after_a_kill(self, tmp_path: Path) -> None:
        """Scripts wait for `run.json`: an old one would send them to processes that are no more."""
        (tmp_path / "run.json").write_text('{"url": "http://127.0.0.1:1"}')
        folder = DataFolder(tmp_path)
        folder.acquire()
        assert not folder.run_file.exists()
        folder.release()

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '"url"', "{}", "\x00"])
    def test_damaged_run_json(self, tmp_path: Path, text: str) -> None:
        """Whatever stands in it, the second run gets its sentence."""
        folder = DataFolder(tmp_path)
        folder.acquire()
        folder.run_file.write_text(text, encoding="utf-8")
        with pytest.raises(FolderInUse, match="already runs on"):
            DataFolder(tmp_path).acquire()
        folder.release()

    def test_lock_of_a_killed_run(self, tmp_path: Path) -> None:
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
    def test_keys(self, tmp_path: Path) -> None:
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
        assert set(json.loads(folder.run_file.read_text())) == {
            *("url", "metrics_urls", "admin_token", "anon_key", "database_url", "pids")
        }
        assert stat.S_IMODE(folder.run_file.stat().st_mode) == 0o600
        folder.release()
        assert not folder.run_file.exists()

    def test_environment(self, tmp_path: Path) -> None:
        """A shell can read it as it stands; private, and gone after a clean stop."""
        folder = DataFolder(tmp_path)
        folder.acquire()
        folder.announce(PLATFORM)
        assert stat.S_IMODE(folder.environment_file.stat().st_mode) == 0o600
        script = f"set -a; . '{folder.environment_file}'; printf %s \"$DATABASE_URL\""
        read = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
        assert read.stdout == PLATFORM.environment["DATABASE_URL"]
        folder.release()
        assert not folder.environment_file.exists()

    def test_private_folders(self, tmp_path: Path) -> None:
        """What earlier releases let everyone read is closed; a folder that is not ours stays as it is."""
        tmp_path.chmod(0o755)
        for name in ("logs", "storage"):
            (tmp_path / name).mkdir(mode=0o755)
        folder = DataFolder(tmp_path)
        folder.acquire()
        modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("keys", "logs", "storage")}
        assert modes == dict.fromkeys(modes, 0o700)
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
        folder.release()

    @pytest.mark.parametrize("text", ["", "\n", "short"])
    def test_damaged_key(self, tmp_path: Path, text: str) -> None:
        """One sentence that names the file and says what deleting it means."""
        folder = DataFolder(tmp_path)
        folder.acquire()
        (tmp_path / "keys" / "jwt").write_text(text)
        with pytest.raises(FolderUnusable, match=r"keys/jwt is empty or damaged.*no longer accepted"):
            folder.key("jwt")
        folder.release()
