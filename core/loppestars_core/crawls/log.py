"""The log of a run, in order: what began, what was noted, what ended, for who follows it now or reads it later."""

import uuid
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.crawls.models import CrawlEvent

MAX_EVENTS: Final = 500
"""Events of one question."""
_MAX_MESSAGE: Final = 2000


class EventKind(StrEnum):
    """What a line of the log is about."""

    RUN_STARTED = "run_started"
    RUN_RESUMED = "run_resumed"
    RUN_FINISHED = "run_finished"
    SOURCE_STARTED = "source_started"
    SOURCE_WARNING = "source_warning"
    SOURCE_FINISHED = "source_finished"


async def add_event(  # noqa: PLR0913 - one argument per column
    session: AsyncSession,
    run_id: uuid.UUID,
    kind: EventKind,
    message: str,
    *,
    source: str | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Write a line of the log."""
    values = {"run_id": run_id, "kind": kind, "message": message[:_MAX_MESSAGE], "source": source, "data": data or {}}
    await session.execute(insert(CrawlEvent).values(values))


async def events_after(session: AsyncSession, run_id: uuid.UUID, last_id: int = 0) -> list[CrawlEvent]:
    """Return the next lines of a run's log, the oldest first."""
    statement = select(CrawlEvent).where(CrawlEvent.run_id == run_id, CrawlEvent.id > last_id)
    return list((await session.execute(statement.order_by(CrawlEvent.id).limit(MAX_EVENTS))).scalars())
