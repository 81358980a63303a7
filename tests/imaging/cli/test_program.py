"""`loppestars-imaging blur` and `doctor`, as processes, the way people use them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


def imaging(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from loppestars_imaging.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class TestBlur:
    def test_a_folder_with_sub_folders(self, photos: Path, tmp_path: Path) -> None:
        """Sub-folders are kept, the report names every file, a refused one costs exit code 1 and nothing else."""
        source, output = tmp_path / "in", tmp_path / "out"
        (source / "deep").mkdir(parents=True)
        (source / "deep" / "group.jpg").write_bytes((photos / "dlib/2008_002506.jpg").read_bytes())
        (source / "phone.heic").write_bytes((photos / "thumbor/image.heic").read_bytes())
        (source / "broken.jpg").write_bytes((photos / "pillow/truncated_jpeg.jpg").read_bytes())
        for name in ("notes.txt", "film.mp4", "old.gif"):
            (source / name).write_text("not a photo")
        report = tmp_path / "report.json"
        done = imaging("blur", source, "-o", output, "--report", report, "--preview", "--processes", 1)
        assert done.returncode == 1, done.stderr
        assert "broken.jpg" in done.stderr
        found = {Path(entry["file"]).name: entry for entry in json.loads(report.read_text())}
        assert set(found) == {"group.jpg", "phone.heic", "broken.jpg", "notes.txt", "film.mp4", "old.gif"}
        left_out = {name: entry["error"] for name, entry in found.items() if entry["status"] == "left out"}
        assert left_out == {"notes.txt": "not a photo", "film.mp4": "a video", "old.gif": "a GIF"}
        assert "film.mp4: left out, a video" in done.stderr
        assert len(found["group.jpg"]["faces"]) == 3
        assert set(found["group.jpg"]["faces"][0]) == {"x", "y", "width", "height", "score"}
        assert (found["group.jpg"]["width"], found["group.jpg"]["height"]) == (500, 375)
        assert found["group.jpg"]["scale"] == 1.0
        assert found["broken.jpg"]["status"] == "failed"
        assert found["broken.jpg"]["output"] is None
        with Image.open(output / "deep" / "group.jpg") as image:
            assert image.size == (500, 375)
        assert (output / "phone.heic.jpg").is_file()
        with Image.open(output / "preview.jpg") as sheet:
            assert sheet.width > 600

    def test_all_done_is_zero(self, photos: Path, tmp_path: Path) -> None:
        """One file, one result of the same name, exit code 0."""
        done = imaging("blur", photos / "thumbor/no_face.jpg", "-o", tmp_path / "out", "--style", "solid")
        assert done.returncode == 0, done.stderr
        assert "1 photo done, 0 faces covered, 0 failed" in done.stdout
        assert (tmp_path / "out" / "no_face.jpg").is_file()

    def test_json(self, photos: Path, tmp_path: Path) -> None:
        """What the report says, on standard output, and nothing else there."""
        done = imaging("blur", photos / "pillow/hopper.jpg", "-o", tmp_path / "out", "--json")
        (entry,) = json.loads(done.stdout)
        assert (entry["status"], len(entry["faces"]), entry["scale"]) == ("done", 1, 1.0)

    def test_video_is_refused_by_name(self, tmp_path: Path) -> None:
        """Also when it is given by itself."""
        (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
        done = imaging("blur", tmp_path / "film.mp4", "-o", tmp_path / "out")
        assert done.returncode == 1
        assert "film.mp4: A video or other media file cannot be processed" in done.stderr

    def test_wrong_usage_is_two(self, tmp_path: Path) -> None:
        """A missing input, and results that would overwrite the originals, are refused with a sentence."""
        missing = imaging("blur", tmp_path / "nowhere", "-o", tmp_path / "out")
        assert (missing.returncode, "does not exist" in missing.stderr) == (2, True)
        same = imaging("blur", tmp_path, "-o", tmp_path)
        assert (same.returncode, "overwrite the originals" in same.stderr) == (2, True)


class TestDoctor:
    @pytest.mark.parametrize(
        ("library", "code", "says"),
        [
            (
                "cv2",
                1,
                [
                    "opencv            BROKEN. ImportError: libfoo.so",
                    "NOT READY: no photo can be processed. The engine",
                ],
            ),
            ("PIL", 1, ["pillow            BROKEN.", "libheif           BROKEN.", "NOT READY"]),
            ("openvino", 0, ["runs in           onnxruntime", "path              fast", "verdict           ready"]),
        ],
    )
    def test_a_broken_library_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, code: int, says: list[str]
    ) -> None:
        """Whoever asks the doctor has something broken; the faster runtime is not needed."""
        (tmp_path / f"{library}.py").write_text("raise ImportError('libfoo.so')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        said = imaging("doctor")
        assert said.returncode == code
        for words in says:
            assert words in said.stdout

    def test_json(self) -> None:
        """The same as one object."""
        found = json.loads(imaging("doctor", "--json").stdout)
        assert found["verdict"] == "ready"
        assert "system calls" in found["box: seccomp"]

    def test_it_says_what_is_used(self) -> None:
        """Model, libraries, CPU and the verdict."""
        said = imaging("doctor")
        assert said.returncode == 0, said.stderr
        for word in ("YuNet", "onnxruntime", "libjpeg-turbo", "fast", "box: seccomp", "system calls", "ready"):
            assert word in said.stdout


def loaded(module: str, *libraries: str) -> list[str]:
    """Return which of the libraries are there after an import in a process of its own."""
    code = f"import sys, {module}; print(*(name for name in {libraries!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return found.stdout.split()


class TestStart:
    """What is loaded, and when."""

    def test_worker_without_image_libraries(self) -> None:
        """The parent of the engines decodes nothing, stays small, and starts quickly."""
        assert loaded("loppestars_imaging.worker.worker", "cv2", "numpy", "onnxruntime", "openvino", "PIL") == []

    def test_command_line_without_database(self) -> None:
        """`blur`, `doctor` and `--help` do not wait for libraries that they never use."""
        assert (
            loaded("loppestars_imaging.cli.program", "cv2", "numpy", "PIL", "sqlalchemy", "boto3", "procrastinate")
            == []
        )

    def test_control_c_before_anything_runs(self) -> None:
        """The libraries take a moment to load; whoever changes their mind meanwhile sees no traceback."""
        code = (
            "import os, signal, sys\n"
            "class Impatient:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name == 'loppestars_imaging.cli.request': os.kill(os.getpid(), signal.SIGINT)\n"
            "sys.meta_path.insert(0, Impatient())\n"
            "from loppestars_imaging.main import main; main(['doctor'])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
