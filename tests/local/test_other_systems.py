"""`make run` where Linux's own calls and folders are missing, as on a Mac."""

import ctypes
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from loppestars_imaging.engine.sandbox import kernel
from loppestars_local.ports import free_ports
from tests.local.test_run import read_until_ready, start

pytestmark = pytest.mark.timeout(300)

HIDING: Final = Path(__file__).with_name("without_linux.py")
PHOTO: Final = Path(__file__).parents[1] / "imaging" / "photos" / "portrait.jpg"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, which sockets need, that the server's own user may pass through."""
    with tempfile.TemporaryDirectory(prefix="loppestars-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def without_linux(folder: Path, **settings: str) -> tuple[subprocess.Popen[str], int, Path]:
    """Start the platform; return it, its port, and where its programs leave a sign."""
    (folder / "sitecustomize.py").write_text(HIDING.read_text(encoding="utf-8"), encoding="utf-8")
    signs = folder / "signs"
    signs.mkdir()
    [port] = free_ports(1)
    hiding = {"PYTHONPATH": str(folder), "WITHOUT_LINUX_SIGNS": str(signs)}
    return start(folder / "data", port, **hiding, **settings), port, signs


class TestWithoutLinux:
    def test_the_whole_platform(self, folder: Path, database_url: str) -> None:
        """Every program starts, a photo loses its face, Ctrl-C ends all; each really ran without."""
        # PostgreSQL of its own where an ordinary user runs this; see below for root.
        process, port, signs = without_linux(folder, **{"DATABASE_URL": database_url} if os.geteuid() == 0 else {})
        try:
            read_until_ready(process)
            photo = {"file": PHOTO.read_bytes()}
            answer = httpx.post(f"http://127.0.0.1:{port}/process-face", files=photo, timeout=60)
            assert (answer.status_code, answer.headers["x-faces-detected"]) == (200, "1"), answer.text
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=60)
            assert process.returncode == 0, printed
        finally:
            process.kill()
        ran = {sign.name.rpartition("-")[0] for sign in signs.iterdir()}
        programs = ("local", "api", "imaging", "jobs", "crawler")
        assert {f"loppestars-{name}" for name in programs} <= ran

    @pytest.mark.skipif(os.geteuid() != 0, reason="this is about root")
    def test_root(self, folder: Path) -> None:
        """Without Linux's capabilities the server cannot enter root's folders: it is said what to do."""
        process, _, _ = without_linux(folder)
        try:
            printed, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 1
        assert "Run this as an ordinary user" in printed

    def test_an_engine_has_no_box(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A layer whose system call is missing says so, and `ENGINE_SANDBOX=auto` goes on without it."""
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
        with pytest.raises(kernel.LayerUnavailable, match="only Linux has it"):
            kernel.forbid_new_privileges()
