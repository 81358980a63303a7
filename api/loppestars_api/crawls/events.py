"""The log of a run as server-sent events, from any place in it (`Last-Event-ID`) to the end of the run.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.contract.states import CrawlState
from loppestars_core.crawls import find_run
from loppestars_core.crawls.log import events_after

MAX_SECONDS: Final = 300.0
"""A stream ends after that; clients come back with the last id they saw."""
_LOOK_SECONDS: Final = 1.0
_SILENCE_SECONDS: Final = 15.0
_RETRY: Final = b"retry: 2000\n\n"


async def follow(sessions: async_sessionmaker[AsyncSession], run_id: UUID, last_id: int) -> AsyncIterator[bytes]:
    """Yield the lines of a run's log as they are written, and its progress when it changes."""
    began = said_last = time.monotonic()
    progress: dict[str, Any] = {}
    yield _RETRY
    while time.monotonic() - began < MAX_SECONDS:
        async with sessions() as session:
            run = await find_run(session, run_id)
            events = await events_after(session, run_id, last_id)
        for event in events:
            last_id = event.id
            said = {"at": event.created_at, "source": event.source, "message": event.message, **event.data}
            yield _event(event.kind, said, last_id)
        now = {"state": run.state, "expected": run.expected, "done": run.done}
        now |= {name: getattr(run, name) for name in COUNT_NAMES}
        if now != progress:
            progress = now
            yield _event("progress", progress)
        elif not events and time.monotonic() - said_last > _SILENCE_SECONDS:
            said_last = time.monotonic()
            yield b": still here\n\n"
        if CrawlState(run.state).finished and not events:
            yield _event("end", progress)
            return
        await asyncio.sleep(0 if events else _LOOK_SECONDS)


def _event(kind: str, data: dict[str, Any], number: int | None = None) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"
