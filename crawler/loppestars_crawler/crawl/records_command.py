"""`loppestars-crawler runs` and `sources`: what the records of crawls say."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import typer
from psycopg import OperationalError as ConnectionFailed
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.contract.states import CrawlState
from loppestars_core.crawls.models import CrawlRun, CrawlSource
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.cli import Json, fail, show
from loppestars_core.kit.settings import load_settings
from loppestars_crawler.crawl.health import Outcome, health_of
from loppestars_crawler.settings import CrawlerSettings

Rows = list[dict[str, Any]]
_JUDGED_CRAWLS: Final = 10


def runs(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="show so many of the newest runs")] = 20,
    json: Json = False,
) -> None:
    """Show the newest crawl runs with their counts."""

    async def read(session: AsyncSession) -> Rows:
        newest = select(CrawlRun).order_by(CrawlRun.created_at.desc()).limit(limit)
        found = (await session.execute(newest)).scalars().all()
        return [
            {
                "id": run.id,
                "state": run.state,
                "trigger": run.trigger,
                "started_at": run.started_at,
                "finished_at": run.finished_at,
                **{name: getattr(run, name) for name in COUNT_NAMES},
                "error": run.error,
            }
            for run in found
        ]

    show(_read(load_settings(CrawlerSettings), read), json=json)


def sources(*, json: Json = False) -> None:
    """Show the known sources, how their last crawl ended, and how healthy they are."""
    settings = load_settings(CrawlerSettings)

    async def read(session: AsyncSession) -> Rows:
        return [await _source(session, name, site.base) for name, site in settings.sites.items()]

    show(_read(settings, read), json=json)


async def _source(session: AsyncSession, name: str, address: str) -> dict[str, Any]:
    ended = CrawlSource.state.in_([CrawlState.SUCCEEDED, CrawlState.FAILED])
    newest = select(CrawlSource).where(CrawlSource.source == name, ended).order_by(CrawlSource.id.desc())
    crawls = (await session.execute(newest.limit(_JUDGED_CRAWLS))).scalars().all()
    last = crawls[0] if crawls else None
    outcomes = [Outcome(crawl.state == CrawlState.SUCCEEDED, bool(crawl.warnings)) for crawl in crawls]
    return {
        "source": name,
        "address": address,
        "health": health_of(outcomes),
        "last_state": last.state if last else None,
        "finished_at": last.finished_at if last else None,
        "listed": last.new + last.changed + last.unchanged if last else None,
        "warnings": "; ".join(last.warnings) if last else None,
        "error": last.error if last else None,
    }


def _read(settings: CrawlerSettings, read: Callable[[AsyncSession], Awaitable[Rows]]) -> Rows:
    """Return what `read` finds in the database; end with a sentence when it cannot be reached."""

    async def connect() -> Rows:
        engine = create_engine(settings, application="loppestars-crawler")
        try:
            async with sessions(engine)() as session:
                return await read(session)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(connect())
    except (OperationalError, ConnectionFailed, OSError):
        fail("the database cannot be reached: check DATABASE_URL")
