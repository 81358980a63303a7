"""Pairs of markets that may be one, for an admin to decide: alike, but not so alike that they are joined."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from loppestars_core.markets.decisions import decided_about, key_of
from loppestars_core.markets.listing import Listing
from loppestars_core.markets.matching import Match, compare
from loppestars_core.markets.models import Market, MarketSighting, MarketState
from loppestars_core.markets.sighting import SourceMarket

_LISTED: Final = (MarketState.SCHEDULED, MarketState.CANCELLED, MarketState.POSTPONED)
_NEAR_DEGREES: Final = 0.05
MAX_COMPARED: Final = 5_000
"""Neighbours of a day that are compared for one answer."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two markets, how alike they are, and why."""

    market_id: uuid.UUID
    other_id: uuid.UUID
    listings: tuple[SourceMarket, SourceMarket]
    match: Match


async def pairs_to_decide(session: AsyncSession, first: date, last: date, *, limit: int = 50) -> list[Pair]:
    """Return undecided pairs of markets that begin between two days, the most alike first.

    Two markets of one source are never a pair: it would not list one market twice.
    """
    neighbours = await _neighbours(session, first, last)
    said = await _said(session, {market_id for pair in neighbours for market_id in pair})
    decided = await decided_about(session, [key_of(listing) for listings in said.values() for listing in listings])
    pairs = []
    for market_id, other_id in neighbours:
        sources, other_sources = ({listing.source for listing in said[found]} for found in (market_id, other_id))
        if not sources or not other_sources or sources & other_sources:
            continue
        keys = {key_of(listing) for listing in said[other_id]}
        known = [decided[key] for listing in said[market_id] if (key := key_of(listing)) in decided]
        if not any(decision.apart & keys for decision in known) and (best := _best(said[market_id], said[other_id])):
            pairs.append(Pair(market_id, other_id, *best))
    return sorted(pairs, key=lambda pair: -pair.match.score)[:limit]


def _best(
    listings: Iterable[SourceMarket], others: Sequence[SourceMarket]
) -> tuple[tuple[SourceMarket, SourceMarket], Match] | None:
    """Return the two listings of two markets that are most alike, unless there is nothing to decide."""
    matches = [((said, other), compare(Listing.of(said), Listing.of(other))) for said in listings for other in others]
    best = max(matches, key=lambda found: found[1].score)
    return best if best[1].doubtful or best[1].same else None


async def _neighbours(session: AsyncSession, first: date, last: date) -> list[tuple[uuid.UUID, uuid.UUID]]:
    market, other = aliased(Market), aliased(Market)
    near = and_(
        other.latitude.between(market.latitude - _NEAR_DEGREES, market.latitude + _NEAR_DEGREES),
        other.longitude.between(market.longitude - 2 * _NEAR_DEGREES, market.longitude + 2 * _NEAR_DEGREES),
    )
    neighbours = or_(near, other.postal_code == market.postal_code, other.municipality == market.municipality)
    statement = (
        select(market.id, other.id)
        .join(other, and_(other.start_date == market.start_date, other.id > market.id))
        .where(market.state.in_(_LISTED), other.state.in_(_LISTED), market.start_date.between(first, last), neighbours)
        .order_by(market.start_date, market.id, other.id)
        .limit(MAX_COMPARED)
    )
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def _said(session: AsyncSession, market_ids: set[uuid.UUID]) -> dict[uuid.UUID, list[SourceMarket]]:
    """Return what sources say of markets now."""
    said: dict[uuid.UUID, list[SourceMarket]] = {market_id: [] for market_id in market_ids}
    current = MarketSighting.market_id.in_(market_ids), MarketSighting.superseded_at.is_(None)
    for sighting in (await session.execute(select(MarketSighting).where(*current))).scalars():
        said[sighting.market_id].append(SourceMarket.of_raw(sighting.raw))
    return said
