"""A review: photos are searched when the page asks for them, and written when the page says so."""

import asyncio
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from loppestars_imaging.cli.batch import Outcome, anonymised, explained, read_bounded, written
from loppestars_imaging.cli.review.server import start_server
from loppestars_imaging.cli.selection import Work
from loppestars_imaging.cli.streams import tell
from loppestars_imaging.engine.messages import Box, Task
from loppestars_imaging.engine.pool import EnginePool, Result
from loppestars_imaging.engine.settings import EngineSettings
from loppestars_imaging.errors import ImagingError

Finished = Callable[[Work, Outcome], None]
_PREVIEW_SIDE: Final = 1600


@dataclass(slots=True)
class Session:
    """The photos under review. Sizes and boxes are those of the upright original."""

    work: list[Work]
    settings: EngineSettings
    task: Task
    pool: EnginePool
    finished: Finished
    open: set[int] = field(default_factory=set)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def names(self) -> list[str]:
        """Return the names of the photos."""
        return [item.source.name for item in self.work]

    async def photo(self, number: int) -> dict[str, object]:
        """Return what the page shows of a photo: its name, size, and where faces were found; or an error."""
        item = self.work[number]
        try:
            result = await self._processed(item, self.task)
        except (ImagingError, OSError) as error:
            return {"name": item.source.name, "error": self._failed(number, error)}
        faces = [dict(zip(("x", "y", "width", "height"), box, strict=False)) for box in result.boxes]
        size = {"width": round(result.width / result.scale), "height": round(result.height / result.scale)}
        return {"name": item.source.name, "faces": faces, **size}

    async def preview(self, number: int) -> bytes:
        """Return the photo as it is, upright, for the page alone."""
        bare = replace(self.task, covers=[], jpeg_only=True, max_side=_PREVIEW_SIDE)
        return (await self._processed(self.work[number], bare)).data

    async def write(self, number: int, boxes: list[Box], size: tuple[float, float]) -> str:
        """Write the photo with these boxes covered; return what went wrong, or nothing."""
        item, (width, height) = self.work[number], size
        shares = [[x / width, y / height, w / width, h / height] for x, y, w, h, _ in boxes]
        try:
            result = await self._processed(item, replace(self.task, covers=shares))
            outcome = await written(item, replace(result, boxes=boxes))
        except (ImagingError, OSError) as error:
            return self._failed(number, error)
        self.open.discard(number)
        self.finished(item, outcome)
        return ""

    async def _processed(self, item: Work, task: Task) -> Result:
        data = await asyncio.to_thread(read_bounded, item.source, self.settings.max_bytes)
        async with self.pool.engine() as engine:
            return await anonymised(engine, data, task)

    def _failed(self, number: int, error: ImagingError | OSError) -> str:
        item = self.work[number]
        reason = explained(error, item.source) if isinstance(error, OSError) else str(error)
        self.open.discard(number)
        self.finished(item, Outcome(str(item.source), "failed", reason))
        return reason


async def review_through(work: list[Work], settings: EngineSettings, task: Task, finished: Finished) -> None:
    """Show all photos in the browser; those that are not saved there are left out.

    Raises an ImagingError when no engine can be started at all.
    """
    pool = EnginePool(settings)
    session = Session(work, settings, task, pool, finished, set(range(len(work))))
    try:
        await pool.start()
        with start_server(session) as url:
            tell(sys.stderr, f"Review the covers at {url} (Ctrl-C ends the review; what is saved stays).")
            await asyncio.to_thread(webbrowser.open, url)
            await session.ended.wait()
    finally:
        await pool.stop()
    for number in sorted(session.open):
        finished(work[number], Outcome(str(work[number].source), "left out", "not saved in the review"))
