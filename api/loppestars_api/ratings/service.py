"""Ratings and favourites: everybody reads averages, a visitor writes their own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.ratings.schemas import (
    FavouriteMarket,
    MarketRatings,
    OwnRating,
    PublicRating,
    RatingChange,
    RatingSummary,
)
from loppestars_api.state import AppState
from loppestars_api.web.errors import NotFound
from loppestars_core.database.access import ANONYMOUS, AccessRole, Actor, act_as
from loppestars_core.database.engine import sessions
from loppestars_core.favourites.favourites import add_favourite, favourites_of, remove_favourite
from loppestars_core.ratings.models import Rating, RatingType
from loppestars_core.ratings.rate import NewRating, rate
from loppestars_core.ratings.read import current_market, ratings_of_market, ratings_of_user, summarise

NO_SUCH_MARKET: Final = "There is no market with this id."


@dataclass(frozen=True, slots=True)
class RatingService:
    """What is said of markets."""

    state: AppState

    async def of_market(self, market_id: UUID, limit: int, offset: int) -> MarketRatings:
        """Return the averages and a page of ratings of a market. Raise `NotFound`."""
        async with self._acting(ANONYMOUS) as session:
            known = await _known(session, market_id)
            summary = (await summarise(session, [known]))[known]
            rows = await ratings_of_market(session, known, limit=limit, offset=offset)
        return MarketRatings(
            summary=RatingSummary.model_validate(summary), ratings=[PublicRating.model_validate(row) for row in rows]
        )

    async def summaries(self, market_ids: Sequence[UUID]) -> list[RatingSummary]:
        """Return the averages of several markets, in their order and by one query."""
        async with self._acting(ANONYMOUS) as session:
            found = await summarise(session, market_ids)
        return [RatingSummary.model_validate(summary) for summary in found.values()]

    async def rate(self, user_id: str, market_id: UUID, change: RatingChange) -> UUID:
        """Store a visitor's rating; the second one of the same place changes the first. Raise `NotFound`."""
        async with self._acting(Actor(AccessRole.USER, user_id)) as session:
            known = await _known(session, market_id)
            kind = RatingType.MARKET if change.stall_name is None else RatingType.STALL
            values = change.model_dump()
            return await rate(session, NewRating(user_id=user_id, market_id=known, rating_type=kind, **values))

    async def own(self, user_id: str, limit: int, offset: int) -> list[OwnRating]:
        """Return a page of a visitor's ratings."""
        async with self._acting(Actor(AccessRole.USER, user_id)) as session:
            found = await ratings_of_user(session, user_id, limit=limit, offset=offset)
        names = OwnRating.model_fields.keys() - {"market_name", "start_date", "end_date"}
        return [
            OwnRating(
                **{name: getattr(item.rating, name) for name in names},
                market_name=item.market_name,
                start_date=item.start_date,
                end_date=item.end_date,
            )
            for item in found
        ]

    async def remove(self, user_id: str, rating_id: UUID) -> None:
        """Delete a visitor's own rating. Raise `NotFound`."""
        async with self._acting(Actor(AccessRole.USER, user_id)) as session:
            theirs = delete(Rating).where(Rating.id == rating_id, Rating.user_id == user_id)
            if (await session.execute(theirs.returning(Rating.id))).scalar_one_or_none() is None:
                raise NotFound("You have no rating with this id.")

    async def favourites(self, user_id: str, limit: int, offset: int) -> list[FavouriteMarket]:
        """Return a page of a visitor's favourites."""
        async with self._acting(Actor(AccessRole.USER, user_id)) as session:
            found = await favourites_of(session, user_id, limit=limit, offset=offset)
        names = ("name", "city", "start_date", "end_date", "state")
        return [
            FavouriteMarket(
                market_id=item.market.id,
                added_at=item.added_at,
                **{name: getattr(item.market, name) for name in names},
            )
            for item in found
        ]

    async def keep(self, user_id: str, market_id: UUID, *, wanted: bool) -> None:
        """Add a favourite or remove it; both may be repeated. Raise `NotFound`."""
        async with self._acting(Actor(AccessRole.USER, user_id)) as session:
            known = await _known(session, market_id)
            await (add_favourite if wanted else remove_favourite)(session, user_id, known)

    @asynccontextmanager
    async def _acting(self, actor: Actor) -> AsyncIterator[AsyncSession]:
        async with sessions(self.state.engine).begin() as session:
            await act_as(session, actor)
            yield session


async def _known(session: AsyncSession, market_id: UUID) -> UUID:
    known = await current_market(session, market_id)
    if known is None:
        raise NotFound(NO_SUCH_MARKET)
    return known
