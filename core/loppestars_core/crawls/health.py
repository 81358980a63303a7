"""How well sources have been crawled of late."""

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.contract.states import CrawlState
from loppestars_core.crawls.models import CrawlSource

CRITICAL_FAILURES: Final = 5
"""Failures in a row after which a source needs a person."""
JUDGED_CRAWLS: Final = 10
_MAX_FAILED_SHARE: Final = 0.3
_MAX_PAGE_SECONDS: Final = 10.0


class Health(StrEnum):
    """The states of a source, from good to bad."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    WARNING = "warning"
    DEGRADED = "degraded"
    CRITICAL = "critical"


class Outcome(NamedTuple):
    """How one crawl of a source ended."""

    succeeded: bool
    has_warnings: bool = False
    page_seconds: float | None = None
    """How long a page took on average."""


def health_of(outcomes: Sequence[Outcome]) -> Health:
    """Return the health of a source by its last crawls, the newest first.

    Critical: 5 failures in a row. Degraded: more than 30 % failed, or the last crawl warned of its fields. Warning: a
    failure, or pages that take longer than 10 seconds.
    """
    if not outcomes:
        return Health.UNKNOWN
    failures = [not outcome.succeeded for outcome in outcomes]
    if len(failures) >= CRITICAL_FAILURES and all(failures[:CRITICAL_FAILURES]):
        return Health.CRITICAL
    if sum(failures) > len(failures) * _MAX_FAILED_SHARE or outcomes[0].has_warnings:
        return Health.DEGRADED
    slow = (outcomes[0].page_seconds or 0.0) > _MAX_PAGE_SECONDS
    return Health.WARNING if any(failures) or slow else Health.HEALTHY


async def last_crawls(session: AsyncSession) -> dict[str, list[CrawlSource]]:
    """Return the last crawls of each source that ended by themselves, the newest first."""
    newest = (
        select(
            CrawlSource.id,
            func.row_number().over(partition_by=CrawlSource.source, order_by=CrawlSource.id.desc()).label("age"),
        )
        .where(CrawlSource.state.in_([CrawlState.SUCCEEDED, CrawlState.FAILED]))
        .subquery()
    )
    found = await session.execute(
        select(CrawlSource)
        .join(newest, newest.c.id == CrawlSource.id)
        .where(newest.c.age <= JUDGED_CRAWLS)
        .order_by(CrawlSource.source, CrawlSource.id.desc())
    )
    crawls: dict[str, list[CrawlSource]] = defaultdict(list)
    for crawl in found.scalars():
        crawls[crawl.source].append(crawl)
    return crawls


def outcomes_of(crawls: Sequence[CrawlSource]) -> list[Outcome]:
    """Return what health is judged by."""
    return [
        Outcome(
            crawl.state == CrawlState.SUCCEEDED,
            bool(crawl.warnings),
            crawl.fetch_seconds / crawl.pages if crawl.pages else None,
        )
        for crawl in crawls
    ]
