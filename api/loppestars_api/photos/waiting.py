"""Waits until a photo is finished: bounded in time, and in how many wait."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.errors import ApiError, StillRunning, Unavailable
from loppestars_api.metrics import PHOTO_WAIT, PHOTOS_WAITING
from loppestars_api.photos.outcomes import Finished, Outcome, PassingTrouble, outcome_of
from loppestars_core.database.engine import sessions
from loppestars_core.photos import PhotoListener, find_photo
from loppestars_core.queue.photo_jobs import has_worker

RETRY_SECONDS: Final = 5
# A notification can be lost with its connection. The waiter then wakes everybody; this is for what nobody thought of.
LOOK_AGAIN_SECONDS: Final = 10.0


class PhotoDesk:
    """Where photo requests wait. `capacity` of them at most, in this process."""

    def __init__(self, engine: AsyncEngine, waiter: PhotoListener, *, capacity: int, wait_seconds: float) -> None:
        self._sessions = sessions(engine)
        self._waiter = waiter
        self._capacity = capacity
        self._wait_seconds = wait_seconds
        self._waiting = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place to wait. Raises `Unavailable` when all are taken, before the request has cost anything."""
        if self._waiting >= self._capacity:
            raise Unavailable("Too many photos are being worked on at the moment.", RETRY_SECONDS)
        self._waiting += 1
        PHOTOS_WAITING.inc()
        try:
            yield
        finally:
            self._waiting -= 1
            PHOTOS_WAITING.dec()

    async def wait_for(self, photo_id: uuid.UUID) -> Finished:
        """The finished photo. Raises the error that its failure stands for, `StillRunning` or `Unavailable`."""
        started = monotonic()
        try:
            finished = await self._wait(photo_id, started + self._wait_seconds)
        except Exception as error:
            PHOTO_WAIT.labels(type(error).__name__).observe(monotonic() - started)
            raise
        PHOTO_WAIT.labels("finished").observe(monotonic() - started)
        return finished

    async def _wait(self, photo_id: uuid.UUID, deadline: float) -> Finished:
        async with self._waiter.watch(photo_id) as changed:
            woken = False
            while True:
                changed.clear()
                outcome = await self._look(photo_id)
                if isinstance(outcome, Finished):
                    return outcome
                if isinstance(outcome, PassingTrouble) and woken:
                    raise outcome.error
                left = deadline - monotonic()
                if left <= 0:
                    raise outcome.error if isinstance(outcome, PassingTrouble) else await self._too_late()
                woken = await _set_within(changed, min(left, LOOK_AGAIN_SECONDS))

    async def _too_late(self) -> ApiError:
        """Tell whose photo is not finished in time that it is being worked on, or that nobody does."""
        async with self._sessions() as session:
            if await has_worker(session):
                return StillRunning(
                    "The photo is still being worked on; the same request later returns it.", RETRY_SECONDS
                )
        return Unavailable(
            "Photo processing is not available now. The photo is kept; the same request later returns it.",
            RETRY_SECONDS,
        )

    async def _look(self, photo_id: uuid.UUID) -> Outcome:
        async with self._sessions() as session:
            return outcome_of(await find_photo(session, photo_id))


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
