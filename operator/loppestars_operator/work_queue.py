"""The work queue: keyed, de-duplicated, with a back-off per key. One bad stack never delays the others."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from loppestars_operator import metrics
from loppestars_operator.naming import StackKey

WORKERS: Final = 8
FIRST_RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 60.0
# What mends itself, as an API server that restarts, is tried again this soon at the latest.
SOON: Final = 5.0
# What hangs is tried again this soon at the earliest.
TIMED_OUT_RETRY_SECONDS: Final = 20.0


class WorkQueue:
    """Runs one pass a key at a time. A key added during its own pass is passed again afterwards."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[StackKey] = asyncio.Queue()
        self._waiting: set[StackKey] = set()
        self._running: set[StackKey] = set()
        self._again: set[StackKey] = set()
        self._timers: dict[StackKey, asyncio.TimerHandle] = {}
        self._failures: dict[StackKey, int] = {}

    def add(self, key: StackKey) -> None:
        """Ask for a pass now."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)
            metrics.QUEUE_DEPTH.set(self._ready.qsize())

    def add_later(self, key: StackKey, seconds: float) -> None:
        """Ask for a pass after some time, unless one comes sooner."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is None or timer.when() > loop.time() + seconds:
            if timer:
                timer.cancel()
            self._timers[key] = loop.call_later(seconds, self.add, key)

    def retry(self, key: StackKey, longest: float = MAX_RETRY_SECONDS, *, least: float = 0) -> float:
        """Ask for a pass after a back-off that doubles with each failure in a row; return the seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        seconds = max(least, min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 16), longest))
        seconds *= random.uniform(0.75, 1.0)  # noqa: S311 - jitter
        self.add_later(key, seconds)
        return seconds

    def forget(self, key: StackKey) -> None:
        """Begin the back-off anew: the last pass succeeded."""
        self._failures.pop(key, None)

    async def work(self, handle: Callable[[StackKey], Awaitable[None]]) -> None:
        """Handle keys until cancelled. `handle` must not raise."""
        while True:
            key = await self._ready.get()
            metrics.QUEUE_DEPTH.set(self._ready.qsize())
            self._waiting.discard(key)
            self._running.add(key)
            try:
                await handle(key)
            finally:
                self._running.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs (timers aside)."""
        return not (self._waiting or self._running)
