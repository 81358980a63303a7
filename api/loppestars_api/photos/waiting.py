"""Waits until a photo is finished: bounded in time, and in how many wait."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final

from prometheus_client import Gauge, Histogram
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.photos.outcomes import Finished, PassingTrouble, outcome_of
from loppestars_api.web.errors import ApiError, StillRunning, Unavailable
from loppestars_core.database.engine import sessions
from loppestars_core.photos import PhotoListener, find_photo
from loppestars_core.queue.photo_jobs import has_worker

PHOTOS_WAITING: Final = Gauge("loppestars_photo_requests_waiting", "Photo requests that wait for imaging")
PHOTO_WAIT: Final = Histogram(
    "loppestars_photo_wait_seconds",
    "Time a photo request waited for imaging",
    ["outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60),
)
RETRY_SECONDS: Final = 5
# A notification can be lost with its connection; the listener then wakes every waiter. This covers the rest.
LOOK_AGAIN_SECONDS: Final = 10.0


class ResultWaiter:
    """Where photo requests wait for imaging; `capacity` of them at most, in this process."""

    def __init__(self, engine: AsyncEngine, listener: PhotoListener, *, capacity: int, wait_seconds: float) -> None:
        self._sessions = sessions(engine)
        self._listener = listener
        self._capacity = capacity
        self._wait_seconds = wait_seconds
        self._waiting = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot to wait in. Raise `Unavailable` when all are taken, before the request has cost anything."""
        if self._waiting >= self._capacity:
            raise Unavailable("Too many photos are being processed at the moment.", RETRY_SECONDS)
        self._waiting += 1
        PHOTOS_WAITING.inc()
        try:
            yield
        finally:
            self._waiting -= 1
            PHOTOS_WAITING.dec()

    async def wait_for(self, photo_id: uuid.UUID, since: float) -> Finished:
        """Return the finished photo. Raise the error that its failure stands for, `StillRunning` or `Unavailable`.

        `since` is the `time.monotonic()` at which the whole request was here: when hundreds of requests stand in line
        for a database connection first, that line counts, or a client would get its 504 after its own time-out.
        """
        try:
            finished = await self._wait(photo_id, since + self._wait_seconds)
        except Exception as error:
            PHOTO_WAIT.labels(type(error).__name__).observe(monotonic() - since)
            raise
        PHOTO_WAIT.labels("finished").observe(monotonic() - since)
        return finished

    async def _wait(self, photo_id: uuid.UUID, deadline: float) -> Finished:
        async with self._listener.watch(photo_id) as changed:
            woken = False
            while True:
                changed.clear()
                async with self._sessions() as session:
                    outcome = outcome_of(await find_photo(session, photo_id))
                if isinstance(outcome, Finished):
                    return outcome
                if isinstance(outcome, PassingTrouble) and woken:
                    raise outcome.error
                left = deadline - monotonic()
                if left <= 0:
                    raise outcome.error if isinstance(outcome, PassingTrouble) else await self._too_late()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, LOOK_AGAIN_SECONDS)):
                        await changed.wait()
                woken = changed.is_set()

    async def _too_late(self) -> ApiError:
        """Return the answer for a photo that is not finished in time: being processed, or no worker is alive."""
        async with self._sessions() as session:
            if await has_worker(session):
                return StillRunning(
                    "The photo is still being processed; the same request later returns it.", RETRY_SECONDS
                )
        return Unavailable(
            "Photo processing is not available now. The photo is kept; the same request later returns it.",
            RETRY_SECONDS,
        )
