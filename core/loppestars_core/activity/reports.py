"""Reports about crawls, as scripts write them."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.activity.models import ScrapingLog


@dataclass(frozen=True, slots=True)
class NewReport:
    """What a crawl came to; `scraped_at` is now where it is not said."""

    status: str
    message: str | None = None
    output: str | None = None
    error: str | None = None
    summary: dict[str, Any] | None = None
    scraped_at: datetime | None = None


async def record_report(session: AsyncSession, report: NewReport) -> uuid.UUID:
    """Keep a report and return its id."""
    statement = insert(ScrapingLog).values(
        id=uuid.uuid4(),
        status=report.status,
        message=report.message,
        output=report.output,
        error=report.error,
        summary=report.summary,
        scraped_at=report.scraped_at or func.now(),
    )
    return (await session.execute(statement.returning(ScrapingLog.id))).scalar_one()
