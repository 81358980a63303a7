"""Wait for photos without asking the database again and again: one LISTEN connection serves all waiting requests."""

import asyncio
import contextlib
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final, Self

import psycopg
import structlog

from loppestars_core.database.engine import connect_directly
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.photos.lifecycle import FINISHED_CHANNEL

log = structlog.get_logger(__name__)

_RECONNECT_SECONDS: Final = 1.0
# A connection that died without a word is noticed by this query, not by silence.
_LIVENESS_SECONDS: Final = 15.0


class PhotoListener:
    """Wakes whoever waits for a photo when its state changes.

    Use `async with PhotoListener(settings)` for the life of the process. A lost connection wakes everybody, so that
    each looks for itself: a notification can be lost, a result cannot.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen(), name="photo-waiter")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @contextlib.asynccontextmanager
    async def watch(self, photo_id: uuid.UUID) -> AsyncIterator[asyncio.Event]:
        """Return an event set at each change of the photo; enter before reading the row, so that none is missed."""
        key = str(photo_id)
        event = asyncio.Event()
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    async def _listen(self) -> None:
        while True:
            try:
                await self._listen_once()
            except (psycopg.Error, OSError) as error:
                log.warning("notifications_lost", error=type(error).__name__)
            self.listening.clear()
            self._wake_all()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        connection = await connect_directly(self._settings, application="loppestars-waiter")
        async with connection:
            await connection.execute(f"LISTEN {FINISHED_CHANNEL}")
            self.listening.set()
            self._wake_all()
            while True:
                async for notification in connection.notifies(timeout=_LIVENESS_SECONDS):
                    for event in self._waiting.get(notification.payload, ()):
                        event.set()
                await connection.execute("SELECT 1")

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()
