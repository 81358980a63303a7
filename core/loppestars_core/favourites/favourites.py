"""Markets that visitors keep an eye on: added, removed, listed and counted."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.favourites.models import Favourite
from loppestars_core.markets.models import Market


@dataclass(frozen=True, slots=True)
class KeptMarket:
    """A favourite with its market."""

    added_at: datetime
    market: Market


async def add_favourite(session: AsyncSession, user_id: str, market_id: uuid.UUID) -> None:
    """Keep an eye on a market; once more changes nothing."""
    await session.execute(insert(Favourite).values(user_id=user_id, market_id=market_id).on_conflict_do_nothing())


async def remove_favourite(session: AsyncSession, user_id: str, market_id: uuid.UUID) -> None:
    """Keep no eye on a market any longer; one that was none is fine."""
    theirs = (Favourite.user_id == user_id, Favourite.market_id == market_id)
    await session.execute(delete(Favourite).where(*theirs))


async def favourites_of(session: AsyncSession, user_id: str, *, limit: int, offset: int) -> Sequence[KeptMarket]:
    """Return a page of a user's favourites by the dates of the markets, the next one first."""
    found = (
        select(Favourite.created_at, Market)
        .join(Market, Market.id == Favourite.market_id)
        .where(Favourite.user_id == user_id)
        .order_by((Market.end_date < func.current_date()), Market.start_date, Market.id)
    )
    return [KeptMarket(*row) for row in (await session.execute(found.limit(limit).offset(offset))).all()]


async def count_favourites(session: AsyncSession, market_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, int]:
    """Return how many users keep an eye on each of these markets, in one query."""
    found = await session.execute(
        select(Favourite.market_id, func.count())
        .where(Favourite.market_id.in_(market_ids))
        .group_by(Favourite.market_id)
    )
    counts: dict[uuid.UUID, int] = dict.fromkeys(market_ids, 0)
    counts.update({row[0]: row[1] for row in found.all()})
    return counts
