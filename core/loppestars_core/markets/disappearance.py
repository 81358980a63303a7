"""Markets that their sources no longer list: marked after two successful crawls, never deleted."""

from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.markets.assembly import CRAWLS_UNTIL_VANISHED, refresh_market
from loppestars_core.markets.models import Market, MarketSighting, MarketState
from loppestars_core.markets.moves import follow_moves
from loppestars_core.markets.series import regroup


async def mark_vanished(session: AsyncSession, source: str, *, crawl_started: datetime, today: date) -> int:
    """After a successful, whole crawl of a source: count the miss of each market that it did not list.

    Only markets of days to come count: sites stop listing what is running or over, some on its morning. A market
    vanishes when none of its sources lists it any more; when one of several is left, that one's words remain. Returns
    how many vanished.
    """
    await follow_moves(session, source, crawl_started=crawl_started, today=today)
    await regroup(session, source, crawl_started=crawl_started)
    missed = await session.execute(
        update(MarketSighting)
        .where(
            MarketSighting.source == source,
            MarketSighting.superseded_at.is_(None),
            MarketSighting.last_seen_at < crawl_started,
            MarketSighting.missed_crawls < CRAWLS_UNTIL_VANISHED,
            MarketSighting.market_id.in_(select(Market.id).where(Market.start_date > today)),
        )
        .values(missed_crawls=MarketSighting.missed_crawls + 1)
        .returning(MarketSighting.market_id, MarketSighting.missed_crawls),
    )
    vanished = 0
    for market_id in {row.market_id for row in missed.all() if row.missed_crawls >= CRAWLS_UNTIL_VANISHED}:
        changed = await refresh_market(session, market_id)
        vanished += changed.get("state") == MarketState.VANISHED
    return vanished


async def count_missed(session: AsyncSession, source: str, crawl_started: datetime, today: date) -> int:
    """Return how many markets to come a source listed before and not since a crawl of it began."""
    statement = (
        select(func.count())
        .select_from(MarketSighting)
        .join(Market, Market.id == MarketSighting.market_id)
        .where(
            MarketSighting.source == source,
            MarketSighting.superseded_at.is_(None),
            MarketSighting.last_seen_at < crawl_started,
            MarketSighting.missed_crawls < CRAWLS_UNTIL_VANISHED,
            Market.start_date > today,
        )
    )
    return (await session.execute(statement)).scalar_one()
