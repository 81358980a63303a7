"""The work queue: keyed, de-duplicated, with a back-off per key. One bad stack never delays the others."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from loppestars_operator import metrics
from loppestars_operator.naming import StackKey

WORKERS: Final = 8
# A pass that takes longer waits for calls that hang; so many may do so beside the workers.
SLOW_SECONDS: Final = 1.0
MAX_SLOW: Final = 48
FIRST_RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 60.0
# What mends itself, as an API server that restarts, is tried again this soon at the latest.
SOON: Final = 5.0
# What hangs is tried again this soon at the earliest.
TIMED_OUT_RETRY_SECONDS: Final = 20.0


class WorkQueue:
    """Runs one pass per key at a time. A key added during its own pass is passed again afterwards.

    Namespaces take turns, and a pass that takes long, mostly because its calls hang, gives its worker's place to
    another: hanging stacks keep the others waiting for a second at most.
    """

    def __init__(self) -> None:
        self._ready: dict[str, deque[StackKey]] = {}
        self._waiting: set[StackKey] = set()
        self._running: set[StackKey] = set()
        self._again: set[StackKey] = set()
        self._timers: dict[StackKey, asyncio.TimerHandle] = {}
        self._failures: dict[StackKey, int] = {}
        self._changed = asyncio.Event()

    def add(self, key: StackKey) -> None:
        """Ask for a pass now."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.setdefault(key.namespace, deque()).append(key)
            self._changed.set()
            metrics.QUEUE_DEPTH.set(len(self._waiting))

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

    async def work(self, handle: Callable[[StackKey], Awaitable[None]], workers: int = WORKERS) -> None:
        """Handle keys until cancelled, `workers` at a time and slow ones besides. `handle` must not raise."""
        places = asyncio.Semaphore(workers)
        slow = asyncio.Semaphore(MAX_SLOW)
        async with asyncio.TaskGroup() as group:
            while True:
                await places.acquire()
                while (key := self._next()) is None:
                    self._changed.clear()
                    await self._changed.wait()
                group.create_task(self._run(key, handle, places, slow), name=f"pass {key}")

    async def _run(
        self,
        key: StackKey,
        handle: Callable[[StackKey], Awaitable[None]],
        places: asyncio.Semaphore,
        slow: asyncio.Semaphore,
    ) -> None:
        running = asyncio.ensure_future(handle(key))
        try:
            await asyncio.wait({running}, timeout=SLOW_SECONDS)
            if running.done() or slow.locked():
                await running
                places.release()
            else:
                async with slow:
                    places.release()
                    await running
        finally:
            running.cancel()
            self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    def _next(self) -> StackKey | None:
        """Return the next key of the namespace that has waited longest for its turn."""
        for namespace in list(self._ready):
            keys = self._ready.pop(namespace)
            key = keys.popleft()
            if keys:
                self._ready[namespace] = keys  # at the end of the row
            self._waiting.discard(key)
            self._running.add(key)
            metrics.QUEUE_DEPTH.set(len(self._waiting))
            return key
        return None
