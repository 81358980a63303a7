"""Ratings: one per visitor, market and stall, whatever happens at once and to their market."""

import asyncio
import uuid
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.engine import sessions
from loppestars_core.favourites.models import Favourite
from loppestars_core.markets.assembly import merge_markets
from loppestars_core.ratings.models import Rating, RatingType
from loppestars_core.ratings.rate import NewRating, rate
from tests.factories.markets import add_market


def rating(market_id: uuid.UUID, value: int = 8, **more: Any) -> NewRating:
    """A rating by u1, of the market itself unless a stall is named."""
    kind = RatingType.STALL if more.get("stall_name") else RatingType.MARKET
    return NewRating(**{"user_id": "u1", "market_id": market_id, "rating": value, "rating_type": kind, **more})


@pytest.fixture
async def market(session: AsyncSession) -> uuid.UUID:
    """A market, and two visitors."""
    for user in ("u1", "u2"):
        await ensure_user(session, user)
    identifier = await add_market(session)
    await session.commit()
    return identifier


class TestRate:
    async def test_second_changes_first(self, session: AsyncSession, market: uuid.UUID) -> None:
        """Without a stall too: there is one row, with the new number and what was said before."""
        first = await rate(session, rating(market, 3, comment="cosy"))
        assert await rate(session, rating(market, 9)) == first
        stored = (await session.execute(select(Rating))).scalar_one()
        assert (stored.rating, stored.comment) == (9, "cosy")
        assert stored.updated_at is not None

    async def test_stalls_are_apart(self, session: AsyncSession, market: uuid.UUID) -> None:
        """Each stall and each visitor has a rating of its own."""
        ids = {
            await rate(session, new)
            for new in (
                rating(market),
                rating(market, stall_name="Bod 7"),
                rating(market, stall_name="Bod 8"),
                rating(market, user_id="u2"),
            )
        }
        assert len(ids) == 4

    async def test_double_tap(self, engine: AsyncEngine, market: uuid.UUID) -> None:
        """Twenty at once make one row, and all get its id."""

        async def tap() -> uuid.UUID:
            async with sessions(engine).begin() as session:
                return await rate(session, rating(market))

        assert len(set(await asyncio.gather(*(tap() for _ in range(20))))) == 1

    @pytest.mark.parametrize("value", [0, 11])
    async def test_out_of_range(self, session: AsyncSession, market: uuid.UUID, value: int) -> None:
        """The table itself refuses it."""
        with pytest.raises(IntegrityError, match="rating_in_range"):
            await rate(session, rating(market, value))


class TestMerge:
    async def test_visitors_words_move(self, session: AsyncSession, market: uuid.UUID) -> None:
        """Ratings and favourites of a merged market are those of the one that stays, without a second of anybody's."""
        other = await add_market(session)
        kept = await rate(session, rating(market, 9))
        await rate(session, rating(other, 2))
        moved = await rate(session, rating(other, 5, stall_name="Bod 7"))
        for place in (market, other):
            await session.execute(insert(Favourite).values(user_id="u1", market_id=place))
        await session.execute(insert(Favourite).values(user_id="u2", market_id=other))

        await merge_markets(session, keep=market, drop=other)

        found = (await session.execute(select(Rating.id, Rating.market_id, Rating.rating).order_by("rating"))).all()
        assert found == [(moved, market, 5), (kept, market, 9)]
        favourites = (await session.execute(select(Favourite.user_id, Favourite.market_id))).all()
        assert sorted(favourites) == [("u1", market), ("u2", market)]
        assert await rate(session, rating(other, 7)) == kept
