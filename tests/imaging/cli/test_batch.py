"""Folders of photos: wrong usage, and what happens when a photo, a disk or a person ends the work early."""

import asyncio
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from loppestars_imaging.cli.batch import Outcome, work_through
from loppestars_imaging.cli.selection import Work
from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.settings import EngineSettings
from loppestars_imaging.main import main

COMMAND = [sys.executable, "-c", "from loppestars_imaging.main import main; main()", "blur"]
TASK = Task("pixelate", cell_pixels=0, least_side=0, jpeg_only=False)


def blur(folder: Path, *arguments: str, before: tuple[str, ...] = (), **options: object) -> subprocess.CompletedProcess:
    usual = {"cwd": folder, "capture_output": True, "text": True, "timeout": 60}
    return subprocess.run([*before, *COMMAND, *arguments], check=False, **usual | options)


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["empty", "-o", "out"], "no photos"),
            (["pipe", "-o", "out"], "neither a file nor a folder"),
            (["a.jpg", "-o", "."], "would be overwritten"),
            (["a.jpg", "-o", "a.jpg"], "-o takes a folder"),
            (["a.jpg", "-o", "out", "--strength", "100"], "'--strength': Input should be less than or equal to 99"),
            (["a.jpg", "-o", "out", "--style", "stars"], "smooth"),
            (["a.jpg", "-o", "loop"], "-o takes a folder"),
            (["loop", "-o", "out"], "does not exist"),
            (["holds/photos", "-o", "holds"], "its other photos could be overwritten"),
            (["a.jpg", "-o", "out", "--report", "a.jpg"], "would be overwritten"),
            (["a.jpg", "-o", "out", "--report", "out/preview.jpg", "--preview"], "where --preview draws"),
            (["a.jpg", "-o", "empty", "--report", "holds"], "--report takes a file"),
            (["a.jpg", "-o", "empty", "--report", "a.jpg/report.json"], "Nothing can be written to 'a.jpg'"),
            (["a.jpg", "-o", "a.jpg/out"], "Nothing can be written to 'a.jpg/out'"),
            (
                ["a.jpg", "-o", "out", "--min-confidence", "0.9"],
                "'--min-confidence': Input should be less than or equal to 0.6",
            ),
            (["a.jpg", "-o", "out", "--processes", "0"], "'--processes': Input should be greater than or equal to 1"),
            (["a.jpg", "-o", "out", "--memory", "much"], "'--memory': Input should be a valid integer"),
        ],
    )
    def test_each_mistake_has_its_sentence(
        self,
        tmp_path: Path,
        arguments: list[str],
        says: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Exit code 2, nothing written."""
        (tmp_path / "empty").mkdir()
        (tmp_path / "holds/photos").mkdir(parents=True)
        for name in ("a.jpg", "holds/photos/a.jpg"):
            (tmp_path / name).write_bytes(b"x")
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to("loop")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as ended:
            main(["blur", *arguments])
        assert ended.value.code == 2
        assert says in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
        assert (tmp_path / "a.jpg").read_bytes() == b"x"


def copies(photo: Path, folder: Path, count: int) -> list[Work]:
    folder.mkdir()
    data = photo.read_bytes()
    work = []
    for number in range(count):
        source = folder / f"{number:02}.jpg"
        source.write_bytes(data)
        work.append(Work(source, folder.parent / "out" / source.name))
    return work


def engines_of(pid: int) -> list[int]:
    """The engines among the children of a process; a test process may have a database, too."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed if b"engine.process" in Path(f"/proc/{child}/cmdline").read_bytes()]


def works(pid: int) -> bool:
    """Tell whether a process is there, and not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def done_by_one_engine(
    work: list[Work], after_first: Callable[[], object] = bool, **settings: object
) -> dict[str, Outcome]:
    """Work through the files with one engine, and do something once the first is done."""
    found: dict[str, Outcome] = {}

    def finished(item: Work, outcome: Outcome) -> None:
        found[item.source.name] = outcome
        if len(found) == 1:
            after_first()

    asyncio.run(work_through(work, EngineSettings(**settings), TASK, finished))
    return found


class TestPhotosThatHarm:
    """One photo fails, with its sentence; the others are done."""

    def test_the_engine_is_killed(self, photos: Path, tmp_path: Path) -> None:
        """As the kernel does when memory runs out: whichever photo it hits is tried once more."""
        work = copies(photos / "dlib/2008_002506.jpg", tmp_path / "in", 4)
        found = done_by_one_engine(work, lambda: os.kill(engines_of(os.getpid())[0], signal.SIGKILL))
        assert [(outcome.status, len(outcome.faces)) for outcome in found.values()] == [("done", 3)] * 4
        assert len(list((tmp_path / "out").iterdir())) == 4

    def test_the_engine_hangs(self, photos: Path, tmp_path: Path) -> None:
        """The time of a photo is bounded."""
        work = copies(photos / "dlib/2008_002506.jpg", tmp_path / "in", 3)
        found = done_by_one_engine(
            work, lambda: os.kill(engines_of(os.getpid())[0], signal.SIGSTOP), photo_timeout_seconds=4
        )
        assert [outcome.status for outcome in found.values()] == ["done", "failed", "done"]
        assert found["01.jpg"].error == "The photo was not finished within 4 seconds."

    def test_too_much_memory(self, photos: Path, tmp_path: Path) -> None:
        """The memory of an engine is bounded by the kernel, as a worker's is."""
        work = copies(photos / "dlib/2008_002506.jpg", tmp_path / "in", 2)
        Image.new("RGBA", (7000, 7000)).save(work[0].source, "PNG", compress_level=1)
        found = done_by_one_engine(work, engine_memory_mib=384)
        assert found["00.jpg"].error == "The photo needs more memory than one photo may take."
        assert found["01.jpg"].status == "done"

    def test_a_file_larger_than_memory(self, photos: Path, tmp_path: Path) -> None:
        """It is not read to find out that it is too large."""
        work = copies(photos / "dlib/2008_002506.jpg", tmp_path / "in", 2)
        os.truncate(work[0].source, 1 << 40)
        found = done_by_one_engine(work)
        assert found["00.jpg"].error == f"The photo has {1 << 40} bytes; at most {50 << 20} are allowed."
        assert found["01.jpg"].status == "done"


class TestEndings:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    def test_ended_early(self, photos: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
        """A bar on the terminal; what is done stays, is reported, and nothing is left half or running."""
        copies(photos / "deface/city.jpg", tmp_path / "in", 200)
        terminal, inside = pty.openpty()
        command = [*COMMAND, "in", "-o", "out", "--report", "report.json", "--processes", "1"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=inside, stderr=inside, start_new_session=True)
        os.close(inside)
        said = b""
        deadline = time.monotonic() + 50
        while b"1/200" not in said and time.monotonic() < deadline:
            said += os.read(terminal, 4096)
        engines = engines_of(process.pid)
        os.kill(process.pid, number)
        while process.poll() is None and time.monotonic() < deadline:
            try:
                said += os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
        assert process.wait(timeout=10) == code
        assert b"Covering faces" in said
        os.close(terminal)
        assert engines
        assert not any(works(engine) for engine in engines)
        report = json.loads((tmp_path / "report.json").read_text())
        results = list((tmp_path / "out").iterdir())
        assert 1 <= len(report) < 200
        assert {Path(entry["output"]).name for entry in report} <= {path.name for path in results}
        assert not [path for path in results if path.name.endswith(".partial")]

    def test_killed(self, photos: Path, tmp_path: Path) -> None:
        """Kill -9 of the command leaves no process behind that goes on or waits for ever."""
        copies(photos / "deface/city.jpg", tmp_path / "in", 200)
        process = subprocess.Popen([*COMMAND, "in", "-o", "out", "--processes", "2"], cwd=tmp_path)
        deadline = time.monotonic() + 50
        while not (tmp_path / "out").is_dir() or not list((tmp_path / "out").glob("*.jpg")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        engines = engines_of(process.pid)
        process.kill()
        process.wait()
        while any(works(engine) for engine in engines):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert len(engines) == 2

    def test_a_disk_that_takes_no_more(self, photos: Path, tmp_path: Path) -> None:
        """Which results could not be written is said and reported; nothing half is left."""
        copies(photos / "deface/city.jpg", tmp_path / "in", 2)
        shutil.copy(photos / "pillow/hopper.jpg", tmp_path / "in" / "small.jpg")
        most = 20_000
        done = blur(
            tmp_path,
            *("in", "-o", "out", "--report", "report.json"),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        )
        assert done.returncode == 1
        assert "in/00.jpg: File too large: out/00.jpg" in done.stderr
        assert "1 photo done, 1 face covered, 2 failed" in done.stdout
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["small.jpg"]
        assert [e["status"] for e in json.loads((tmp_path / "report.json").read_text())] == ["failed", "failed", "done"]

    def test_what_may_not_be_read(self, photos: Path, tmp_path: Path) -> None:
        """A photo, and a folder whose photos nobody can list, have failed: nobody may believe that all is done."""
        without: tuple[str, ...] = ()
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                pytest.skip("root reads everything, and setpriv (util-linux) is not here to give that up")
            rights = "-dac_override,-dac_read_search"
            without = ("setpriv", "--bounding-set", rights, "--inh-caps", rights)
        work = copies(photos / "pillow/hopper.jpg", tmp_path / "in", 2)
        work[0].source.chmod(0)
        (tmp_path / "in" / "locked").mkdir(mode=0)
        done = blur(tmp_path, "in", "-o", "out", "--report", "report.json", before=without)
        (tmp_path / "in" / "locked").chmod(0o700)
        assert done.returncode == 1
        assert done.stderr.splitlines() == ["in/locked: Permission denied", "in/00.jpg: Permission denied"]
        report = json.loads((tmp_path / "report.json").read_text())
        assert [(e["file"], e["status"]) for e in report] == [
            ("in/locked", "failed"),
            ("in/00.jpg", "failed"),
            ("in/01.jpg", "done"),
        ]

    def test_names_that_are_no_text(self, photos: Path, tmp_path: Path) -> None:
        """Names are bytes: also in the report, on the preview and in an error."""
        (tmp_path / "in").mkdir()
        for name, data in ((b"in/\xff\xe9.jpg", (photos / "pillow/hopper.jpg").read_bytes()), (b"in/b\xff.jpg", b"x")):
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(data)
        done = blur(tmp_path, "in", "-o", "out", "--report", "report.json", "--preview")
        assert done.returncode == 1
        assert "b\\udcff.jpg: A file of unknown format" in done.stderr
        report = json.loads((tmp_path / "report.json").read_text())
        assert [(tmp_path / entry["output"]).exists() for entry in report if entry["output"]] == [True]
        with Image.open(tmp_path / "out/preview.jpg") as sheet:
            assert len(sheet.resize((64, 64)).getcolors(4096)) > 50

    @pytest.mark.parametrize("closed", ["stdout", "stderr"])
    def test_nobody_listens(self, photos: Path, tmp_path: Path, closed: str) -> None:
        """A stream that is closed, or whose reader has gone, changes nothing of what is done."""
        shutil.copy(photos / "pillow/hopper.jpg", tmp_path)
        number = 1 if closed == "stdout" else 2
        assert blur(tmp_path, "hopper.jpg", "-o", "a", preexec_fn=lambda: os.close(number)).returncode == 0
        reader, writer = os.pipe()
        os.close(reader)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "capture_output": False} | {closed: writer}
        assert blur(tmp_path, "hopper.jpg", "-o", "b", **streams).returncode == 0
        os.close(writer)
        assert (tmp_path / "a/hopper.jpg").read_bytes() == (tmp_path / "b/hopper.jpg").read_bytes()
