"""What the records of crawls say, for the commands: one short question to the database each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from psycopg import OperationalError as ConnectionFailed
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.crawls.health import health_of, last_crawls, outcomes_of
from loppestars_core.crawls.models import CrawlRun
from loppestars_core.crawls.sources import SourceSpec, known_sources
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.cli import fail
from loppestars_core.markets.quarantine import count_quarantined
from loppestars_crawler.settings import CrawlerSettings

Row = dict[str, Any]
_Answer = TypeVar("_Answer")


def ask(settings: CrawlerSettings, question: Callable[[AsyncSession], Awaitable[_Answer]]) -> _Answer:
    """Return what a question finds or does in the database, in one transaction; end with a sentence without it."""
    try:
        return asyncio.run(_connected(settings, question))
    except (OperationalError, ConnectionFailed, OSError):
        fail("the database cannot be reached: check DATABASE_URL")


def sources_of_admins(settings: CrawlerSettings, *, besides: Sequence[str]) -> list[str]:
    """Return the names of the sources that admins added; none where the database cannot be reached."""

    async def read(session: AsyncSession) -> list[str]:
        return [name for name in await known_sources(session, []) if name not in besides]

    try:
        return asyncio.run(_connected(settings, read))
    except (OperationalError, ConnectionFailed, OSError):
        return []


def run_row(run: CrawlRun) -> Row:
    """Return what is shown of a run."""
    return {
        "id": run.id,
        "state": run.state,
        "trigger": run.trigger,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        **{name: getattr(run, name) for name in COUNT_NAMES},
        "error": run.error,
    }


async def source_rows(session: AsyncSession, configured: Sequence[SourceSpec]) -> list[Row]:
    """Return each known source, how its last crawl ended, and how healthy it is."""
    crawls = await last_crawls(session)
    quarantined = await count_quarantined(session)
    return [
        _source_row(source, crawls.get(name, []), quarantined.get(name, 0))
        for name, source in (await known_sources(session, configured)).items()
    ]


def _source_row(source: SourceSpec, crawls: Sequence[Any], quarantined: int) -> Row:
    last = crawls[0] if crawls else None
    return {
        "source": source.name,
        "type": str(source.type),
        "address": source.start_urls[0],
        "schedule": source.schedule,
        "enabled": source.enabled,
        "health": health_of(outcomes_of(crawls)),
        "last_state": last.state if last else None,
        "finished_at": last.finished_at if last else None,
        "listed": last.new + last.changed + last.unchanged if last else None,
        "quarantined": quarantined,
        "warnings": "; ".join(last.warnings) if last else None,
        "error": last.error if last else None,
    }


async def _connected(settings: CrawlerSettings, question: Callable[[AsyncSession], Awaitable[_Answer]]) -> _Answer:
    engine = create_engine(settings, application="loppestars-crawler")
    try:
        async with sessions(engine).begin() as session:
            return await question(session)
    finally:
        await engine.dispose()
