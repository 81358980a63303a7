"""The parent's side of engines: start, ask, time out, replace. The parent itself never decodes a photo."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from loppestars_imaging.engine.messages import (
    LENGTHS,
    MAX_HEAD,
    NO_BOX,
    NO_DETECTOR,
    Answer,
    Box,
    SmallerCopy,
    Task,
    pack,
    parse_answer,
    parse_ready,
)
from loppestars_imaging.engine.sandbox.layers import Layer  # noqa: TC001 - part of a public annotation
from loppestars_imaging.engine.settings import EngineSettings
from loppestars_imaging.errors import DetectorUnavailable, EngineCrashed, EngineUnavailable, PhotoTimedOut, error_from
from loppestars_imaging.metrics import ENGINES_ENDED

log = structlog.get_logger(__name__)

_START_SECONDS: Final = 30
# Its pipe closes a moment before its exit code is known.
_EXIT_SECONDS: Final = 1
_MAX_RESULT_BYTES: Final = 512 * 1024 * 1024
# Threads of numeric libraries would fight over the cores that other engines use.
_SINGLE_THREADED: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "PYTHONUNBUFFERED": "1",
    "OPENCV_LOG_LEVEL": "OFF",  # an engine's answer says what is wrong with a photo; its log does not
}
# An ordinary photo finds the memory of the last one still there, which saves a tenth of its time; what larger ones took
# goes back at once (mallopt(3); in bytes).
_ALLOCATION: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(48 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(96 * 1024 * 1024),
}
# What an engine may know: it decodes hostile photos, so it gets no address and no password of anything.
_INHERITED: Final = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV"}
)


@dataclass(frozen=True, slots=True)
class Result:
    """A photo that may be published. `width` and `height` in pixels, upright; `boxes` as in `Answer`."""

    data: bytes
    content_type: str
    width: int
    height: int
    faces: int
    boxes: list[Box]
    copies: list[tuple[SmallerCopy, bytes]] = field(default_factory=list)
    scale: float = 1.0
    """Published side per side of the original."""


class Engine:
    """One engine process, started when first needed and again whenever the last one ended."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._photos = 0
        self._starting = asyncio.Lock()
        self.layers: list[Layer] = []

    async def start(self) -> None:
        """Start the process unless it runs; raise `DetectorUnavailable` or `EngineUnavailable`."""
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                await self._start()

    async def _start(self) -> None:
        settings = self._settings
        self._photos = 0
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "loppestars_imaging.engine.process"),
                *("--max-pixels", str(settings.max_pixels), "--max-bytes", str(settings.max_bytes)),
                *("--memory-mib", str(settings.engine_memory_mib)),
                *("--style", settings.anonymise_style, "--min-confidence", str(settings.min_confidence)),
                *("--orientations", settings.search_orientations, "--sandbox", settings.engine_sandbox),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # so that it ends with whatever it may have started
                env={name: value for name, value in os.environ.items() if name in _INHERITED}
                | _SINGLE_THREADED
                | _ALLOCATION,
            )
        except OSError as error:
            # No process more is allowed, or no memory is left for one.
            raise EngineUnavailable(f"The engine cannot be started: {error.strerror or error}.") from error
        try:
            async with asyncio.timeout(_START_SECONDS):
                text, _ = await self._read(self._process)
                self.layers = parse_ready(text).layers
        except (asyncio.IncompleteReadError, TimeoutError, ValueError, OSError):
            code = await self._end("start", patience=_EXIT_SECONDS)
            if code == NO_DETECTOR:
                raise DetectorUnavailable("The face detector could not be loaded.") from None
            if code == NO_BOX:
                raise EngineUnavailable("The engine cannot be confined here (ENGINE_SANDBOX).") from None
            raise EngineUnavailable(f"The engine ended with {code} while it started.") from None
        except BaseException:
            await self._end("cancelled")
            raise

    async def anonymise(self, data: bytes, task: Task) -> Result:
        """Return the photo with its faces hidden, or raise an `ImagingError`. One photo at a time."""
        await self.start()
        process = self._process
        assert process is not None  # noqa: S101 - `start` made it
        seconds = self._settings.photo_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                answer, body = await self._ask(process, data, task)
        except TimeoutError:
            await self._end("timed_out")
            raise PhotoTimedOut(seconds) from None
        except (asyncio.IncompleteReadError, ValueError, OSError):
            code = await self._end("crashed", patience=_EXIT_SECONDS)
            raise EngineCrashed(f"The engine ended with {code} while it held the photo.") from None
        except BaseException:
            # Cancelled: the pipe holds half a conversation and cannot be used again.
            await self._end("cancelled")
            raise
        self._photos += 1
        settings = self._settings
        many = self._photos >= settings.engine_recycle_photos
        if answer.worn_out or many or answer.rss > settings.engine_recycle_mib * 1024 * 1024:
            await self._end("recycled")
        if answer.code is not None:
            raise error_from(answer.code, answer.message)
        return _result(answer, body)

    async def stop(self) -> None:
        if self._process is not None:
            await self._end("stopped")

    async def _ask(self, process: asyncio.subprocess.Process, data: bytes, task: Task) -> tuple[Answer, bytes]:
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        process.stdin.writelines(pack(task, data))
        await process.stdin.drain()
        text, body = await self._read(process)
        return parse_answer(text), body

    async def _read(self, process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        head, body = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
        if head > MAX_HEAD or body > _MAX_RESULT_BYTES:
            raise ValueError("the engine's answer is too large")
        return await process.stdout.readexactly(head), await process.stdout.readexactly(body)

    async def _end(self, reason: str, patience: float = 0) -> int | None:
        """End the process, after `patience` seconds in which it may end by itself and so say why."""
        process, self._process = self._process, None
        if process is None:
            return None
        if patience:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        # Our ends of the pipes: asyncio sees the end of a process only after its pipes', which others may hold open.
        transport: Any = process._transport  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way to it
        for descriptor in (0, 1):
            if (pipe := transport.get_pipe_transport(descriptor)) is not None and not pipe.is_closing():
                pipe.abort() if isinstance(pipe, asyncio.WriteTransport) else pipe.close()
        code = await process.wait()
        ENGINES_ENDED.labels(reason).inc()
        if reason not in {"stopped", "recycled", "cancelled"}:
            log.warning("engine_ended", reason=reason, exit_code=code)
        return code


def _result(answer: Answer, body: bytes) -> Result:
    """Return what an answer and its body say, the copies cut off the end of the body."""
    end = len(body) - sum(copy.size for copy in answer.copies)
    data, copies = body[:end], []
    for copy in answer.copies:
        copies.append((copy, body[end : end + copy.size]))
        end += copy.size
    return Result(
        data, answer.content_type, answer.width, answer.height, answer.faces, answer.boxes, copies, answer.scale
    )


class EnginePool:
    """As many engines as photos are worked on at the same time."""

    def __init__(self, settings: EngineSettings) -> None:
        self._all = [Engine(settings) for _ in range(settings.imaging_processes)]
        self._idle: asyncio.Queue[Engine] = asyncio.Queue()
        for engine in self._all:
            self._idle.put_nowait(engine)

    async def start(self) -> None:
        """Start all engines; raise when the first one cannot work."""
        await asyncio.gather(*(engine.start() for engine in self._all))
        for layer in self._all[0].layers:
            if not layer.holds:
                log.warning("sandbox_layer_missing", layer=layer.name, reason=layer.detail)

    async def stop(self) -> None:
        await asyncio.gather(*(engine.stop() for engine in self._all))

    @contextlib.asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        """Yield an idle engine, for one photo."""
        engine = await self._idle.get()
        try:
            yield engine
        finally:
            self._idle.put_nowait(engine)
