"""Works through files with engines: what breaks one, hangs, or takes too much memory costs no other photo anything."""

import asyncio
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from loppestars_imaging.cli.selection import Work, result_path
from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.pool import Engine, Result
from loppestars_imaging.engine.settings import EngineSettings
from loppestars_imaging.errors import EngineCrashed, ImagingError, TooManyBytes
from loppestars_imaging.inspect import CONTENT_TYPES

_FORMATS: Final = {content_type: kind for kind, content_type in CONTENT_TYPES.items()}
_TRIES: Final = 2
"""An engine that is ended from outside, as by the kernel when memory runs out, may have held any photo."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file; an element of the report.

    `status` is done, failed or left out. Faces in pixels of the upright original; `width` and `height` of the result,
    which is `scale` times the original's.
    """

    file: str
    status: str
    error: str | None = None
    output: str | None = None
    width: int | None = None
    height: int | None = None
    scale: float | None = None
    faces: list[dict[str, float]] = field(default_factory=list)
    milliseconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Return it as the report has it."""
        return asdict(self)


async def work_through(
    work: list[Work], settings: EngineSettings, task: Task, finished: Callable[[Work, Outcome], None]
) -> None:
    """Do all files, in any order, and report what became of each as soon as it is done.

    Raises an ImagingError when no engine can be started at all. When cancelled, photos in hand are abandoned at once.
    """
    engines = [Engine(settings) for _ in range(min(settings.imaging_processes, len(work)))]
    waiting = iter(work)

    async def lane(engine: Engine) -> None:
        for item in waiting:
            finished(item, await process(item, engine, settings, task))

    try:
        await asyncio.gather(*(engine.start() for engine in engines))
        async with asyncio.TaskGroup() as lanes:
            for engine in engines:
                lanes.create_task(lane(engine))
    finally:
        await asyncio.gather(*(engine.stop() for engine in engines))


async def process(work: Work, engine: Engine, settings: EngineSettings, task: Task) -> Outcome:
    """Do one file. Never raises for what is wrong with the file or the disk: the outcome says it."""
    outcome, started = Outcome(str(work.source), "failed"), time.perf_counter()
    try:
        data = await asyncio.to_thread(read_bounded, work.source, settings.max_bytes)
        result = await anonymised(engine, data, task)
        outcome = await written(work, result)
    except ImagingError as error:
        outcome = replace(outcome, error=str(error))
    except OSError as error:
        outcome = replace(outcome, error=explained(error, work.source))
    return replace(outcome, milliseconds=round((time.perf_counter() - started) * 1000, 1))


async def written(work: Work, result: Result) -> Outcome:
    """Write a result, and return what the report says of it. Raises OSError."""
    target = result_path(work.target, _FORMATS[result.content_type])
    await asyncio.to_thread(write_whole, target, result.data)
    return Outcome(
        str(work.source),
        "done",
        output=str(target),
        width=result.width,
        height=result.height,
        scale=round(result.scale, 6),
        faces=[dict(zip(("x", "y", "width", "height", "score"), box, strict=True)) for box in result.boxes],
    )


async def anonymised(engine: Engine, data: bytes, task: Task) -> Result:
    """Return a photo with its faces covered; an engine that was ended is replaced and asked again."""
    for left in reversed(range(_TRIES)):
        try:
            return await engine.anonymise(data, task)
        except EngineCrashed:
            if not left:
                raise
    raise AssertionError


def read_bounded(path: Path, most: int) -> bytes:
    """Return a file's bytes; one that is too large is not read into memory first."""
    with path.open("rb") as file:
        data = file.read(most + 1)
        if len(data) > most:
            raise TooManyBytes(os.fstat(file.fileno()).st_size, most)
    return data


def write_whole(target: Path, data: bytes) -> None:
    """Write whole or not at all, also next to others who write the same file; folders are made. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    finally:
        partial.unlink(missing_ok=True)


def explained(error: OSError, about: Path | str) -> str:
    """Return what the system says, and of which file where it is another than the one it is said `about`."""
    what = str(error.strerror or error)
    return what if error.filename in {None, str(about)} else f"{what}: {error.filename}"
