"""Engines: processes that hold one photo, bounded in time and memory, replaced when they break."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr

from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.pool import Engine, EnginePool
from loppestars_imaging.errors import (
    DetectorUnavailable,
    EngineCrashed,
    EngineUnavailable,
    NotProcessed,
    PhotoTimedOut,
    TooManyPixels,
    UnreadablePhoto,
    UnsupportedFormat,
)
from loppestars_imaging.settings import ImagingSettings

TASK = Task(mode="pixelate", cell_pixels=20, least_side=800, jpeg_only=True)


def settings(**values: object) -> ImagingSettings:
    database = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    return ImagingSettings(database_url=database, storage_dir="unused", **values)  # type: ignore[arg-type]


def jpeg(width: int = 320, height: int = 240) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((width, height)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
async def make_engine() -> AsyncIterator[Callable[..., Engine]]:
    """Makes engines with the given settings, and ends them afterwards."""
    made: list[Engine] = []

    def make(**values: object) -> Engine:
        made.append(Engine(settings(**values)))
        return made[-1]

    yield make
    for engine in made:
        await engine.stop()


def runs(pid: int) -> bool:
    """Whether a process does something: one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pid_of(engine: Engine) -> int:
    assert engine._process is not None
    return engine._process.pid


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


class TestEngine:
    async def test_answers(self, make_engine: Callable[..., Engine]) -> None:
        """A photo comes back as a JPEG of its size; the same process serves the next one."""
        engine = make_engine()
        first = await engine.anonymise(jpeg(), TASK)
        pid = pid_of(engine)
        second = await engine.anonymise(jpeg(640, 480), TASK)
        assert (first.content_type, first.width, first.height, first.faces) == ("image/jpeg", 320, 240, 0)
        assert (second.width, second.height) == (640, 480)
        assert pid_of(engine) == pid

    async def test_asked_to_start_twice(self, make_engine: Callable[..., Engine]) -> None:
        """Who asks while it starts waits for the same process."""
        engine = make_engine()
        first = asyncio.create_task(engine.start())
        while engine._process is None:  # noqa: ASYNC110 - a state, not an event
            await asyncio.sleep(0.001)
        pid = pid_of(engine)
        await engine.start()
        assert first.done()
        assert pid_of(engine) == pid

    async def test_refusals_cross_the_border(self, make_engine: Callable[..., Engine]) -> None:
        """The engine's errors arrive as themselves, with their sentence, and the process lives on."""
        engine = make_engine(max_pixels=1_000_000)
        with pytest.raises(UnsupportedFormat, match="Send a JPEG"):
            await engine.anonymise(b"%PDF-1.7 not a photo", TASK)
        pid = pid_of(engine)
        with pytest.raises(TooManyPixels, match="2000000 pixels; at most 1000000"):
            await engine.anonymise(jpeg(2000, 1000), TASK)
        assert pid_of(engine) == pid

    async def test_replaced_after_a_fatal_error_of_libjpeg(self, make_engine: Callable[..., Engine]) -> None:
        """What libjpeg leaves behind when it gives up on a photo does not pile up."""
        engine = make_engine()
        broken = bytearray(jpeg())
        table = broken.index(b"\xff\xc4")
        broken[table + 5 : table + 21] = b"\xff" * 16  # more Huffman codes than can be
        with pytest.raises(UnreadablePhoto):
            await engine.anonymise(bytes(broken), TASK)
        assert engine._process is None
        assert (await engine.anonymise(jpeg(), TASK)).width == 320

    async def test_more_memory_than_allowed(self, make_engine: Callable[..., Engine]) -> None:
        """A photo within the limits that does not fit fails with a sentence, once, and the next has a new engine."""
        engine = make_engine(engine_memory_mib=384)
        large = io.BytesIO()
        Image.new("RGBA", (7000, 7000)).save(large, "PNG", compress_level=1)
        with pytest.raises(NotProcessed, match="more memory than one photo may take"):
            await engine.anonymise(large.getvalue(), TASK)
        assert engine._process is None
        assert (await engine.anonymise(jpeg(), TASK)).width == 320

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    async def test_transparency_costs_no_memory_to_speak_of(
        self, make_engine: Callable[..., Engine], mode: str
    ) -> None:
        """A photo with alpha becomes a JPEG within some bytes a pixel, so that a usual engine holds 50 megapixels."""
        engine = make_engine(engine_memory_mib=416)
        large = io.BytesIO()
        Image.new(mode, (4000, 3000)).save(large, "PNG", compress_level=1)
        assert (await engine.anonymise(large.getvalue(), TASK)).content_type == "image/jpeg"

    async def test_killed_in_the_middle(self, make_engine: Callable[..., Engine]) -> None:
        """Kill -9 of the engine is an error of this photo only; the next photo gets a new engine."""
        engine = make_engine()
        await engine.start()
        work = asyncio.create_task(engine.anonymise(jpeg(6000, 4000), TASK))
        await asyncio.sleep(0.05)
        os.kill(pid_of(engine), signal.SIGKILL)
        with pytest.raises(EngineCrashed):
            await work
        assert (await engine.anonymise(jpeg(), TASK)).width == 320

    async def test_ends_with_what_it_started(
        self, make_engine: Callable[..., Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A process of a library's, which holds the engine's pipes open, neither stays nor is waited for."""
        started = tmp_path / "started"
        (tmp_path / "sitecustomize.py").write_text(
            "import os, pathlib, time\n"
            "if os.fork() == 0:\n"
            f"    pathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n"
            "    time.sleep(600)\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        engine = make_engine()
        await engine.anonymise(jpeg(), TASK)
        async with asyncio.timeout(5):
            await engine.stop()
        assert not runs(int(started.read_text()))

    async def test_too_slow(self, make_engine: Callable[..., Engine]) -> None:
        """A photo that takes too long is given up, its engine ended, and the next one works."""
        engine = make_engine(photo_timeout_seconds=0.05)
        await engine.start()
        pid = pid_of(engine)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(PhotoTimedOut):
            await engine.anonymise(jpeg(), TASK)
        assert not runs(pid)

    async def test_without_the_model(
        self, make_engine: Callable[..., Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An engine that cannot load its weights says so; nothing is processed."""
        # A module of this name shadows the real one in the engine, as a broken installation would.
        broken = tmp_path / "sitecustomize.py"
        broken.write_text(
            "import importlib.metadata as m\n"
            "def missing(name):\n    raise m.PackageNotFoundError(name)\n"
            "m.files = missing\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(DetectorUnavailable):
            await make_engine().anonymise(jpeg(), TASK)

    async def test_a_process_that_cannot_be_started(
        self, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Too many processes, no memory for one, a broken installation: not the photo's fault, and said so."""
        for program, says in (("/nowhere/python", "No such file"), ("/bin/false", "ended with 1 while it started")):
            monkeypatch.setattr("sys.executable", program)
            with pytest.raises(EngineUnavailable, match=says):
                await make_engine().anonymise(jpeg(), TASK)

    async def test_recycled(self, make_engine: Callable[..., Engine]) -> None:
        """After its number of photos an engine is replaced."""
        engine = make_engine(engine_recycle_photos=2)
        await engine.anonymise(jpeg(), TASK)
        first = pid_of(engine)
        await engine.anonymise(jpeg(), TASK)
        await engine.anonymise(jpeg(), TASK)
        assert pid_of(engine) != first

    async def test_recycled_at_a_memory_mark(self, make_engine: Callable[..., Engine]) -> None:
        """An engine that holds more after a photo than it should is replaced, and the photo is answered."""
        engine = make_engine(engine_recycle_mib=128, photo_timeout_seconds=110)  # the machine may be busy
        assert (await engine.anonymise(jpeg(6000, 4000), TASK)).width == 6000
        assert engine._process is None

    async def test_secrets_stay_outside(
        self, make_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The process that decodes hostile photos knows no password."""
        engine = make_engine()
        monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "hunter2")
        monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@db/x")
        await engine.start()
        assert b"hunter2" not in environment_of(pid_of(engine))


class TestPool:
    async def test_as_many_at_once_as_processes(self) -> None:
        """Two engines work side by side; the third photo waits for one."""
        pool = EnginePool(settings(imaging_processes=2))
        await pool.start()
        try:

            async def one() -> int:
                async with pool.engine() as engine:
                    return (await engine.anonymise(jpeg(), TASK)).width

            assert await asyncio.gather(*(one() for _ in range(6))) == [320] * 6
        finally:
            await pool.stop()


class TestSettings:
    def test_durations(self) -> None:
        """Durations are written as Kubernetes users write them."""
        made = settings(originals_retention="90m", temporary_retention="30s")
        assert made.originals_retention.total_seconds() == 5400
        assert made.temporary_retention.total_seconds() == 30
        with pytest.raises(ValueError, match="originals_retention"):
            settings(originals_retention="soon")
