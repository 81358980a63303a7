"""Ratings as they are read: of a market, of a visitor, and averages of many markets in one query."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.markets.models import Market, MarketRedirect
from loppestars_core.ratings.models import Rating, RatingType

_DECIMALS: Final = 2


@dataclass(frozen=True, slots=True)
class Average:
    """Mean of `count` ratings, from 1 to 10; None without any."""

    average: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Ratings of a market itself, of the stalls there, and of both together."""

    market_id: uuid.UUID
    all: Average
    market: Average
    stalls: Average


@dataclass(frozen=True, slots=True)
class OwnRating:
    """A rating of the visitor who asks, with the market that it is about."""

    rating: Rating
    market_name: str
    start_date: date
    end_date: date


async def current_market(session: AsyncSession, market_id: uuid.UUID) -> uuid.UUID | None:
    """Return the id of a market, or of the one that it was merged into; None where there is neither."""
    merged_into = select(MarketRedirect.market_id).where(MarketRedirect.id == market_id).scalar_subquery()
    found = select(Market.id).where(Market.id == func.coalesce(merged_into, market_id))
    return (await session.execute(found)).scalar_one_or_none()


async def summarise(session: AsyncSession, market_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Summary]:
    """Return the averages of these markets in one query; a market without ratings has counts of nought."""
    mean: Any = func.avg(Rating.rating)
    count: Any = func.count()
    columns = [mean, count]
    for kind in (RatingType.MARKET, RatingType.STALL):
        columns += [mean.filter(Rating.rating_type == kind), count.filter(Rating.rating_type == kind)]
    found = await session.execute(
        select(Rating.market_id, *columns).where(Rating.market_id.in_(market_ids)).group_by(Rating.market_id)
    )
    none = Average(None, 0)
    summaries = {market_id: Summary(market_id, none, none, none) for market_id in market_ids}
    for market_id, *values in found.all():
        averages = (
            Average(None if average is None else round(float(average), _DECIMALS), number)
            for average, number in zip(values[::2], values[1::2], strict=True)
        )
        summaries[market_id] = Summary(market_id, *averages)
    return summaries


async def ratings_of_market(
    session: AsyncSession, market_id: uuid.UUID, *, limit: int, offset: int
) -> Sequence[Rating]:
    """Return a page of a market's ratings, the newest first."""
    found = select(Rating).where(Rating.market_id == market_id).order_by(Rating.created_at.desc(), Rating.id)
    return (await session.execute(found.limit(limit).offset(offset))).scalars().all()


async def ratings_of_user(session: AsyncSession, user_id: str, *, limit: int, offset: int) -> Sequence[OwnRating]:
    """Return a page of a visitor's ratings, the newest first."""
    found = (
        select(Rating, Market.name, Market.start_date, Market.end_date)
        .join(Market, Market.id == Rating.market_id)
        .where(Rating.user_id == user_id)
        .order_by(Rating.created_at.desc(), Rating.id)
    )
    return [OwnRating(*row) for row in (await session.execute(found.limit(limit).offset(offset))).all()]
