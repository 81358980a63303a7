"""What the page asks the database beyond the lists: ratings of a market, and its other days."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.database.access import ANONYMOUS, act_as
from loppestars_core.database.engine import sessions
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.models import Market, MarketState
from loppestars_core.markets.provenance import ListedBy, sources_of
from loppestars_core.ratings.read import ratings_of_market, summarise

_RATINGS: Final = 20
_COMMENTS: Final = 5
_MORE_DAYS: Final = 8


@dataclass(frozen=True, slots=True)
class Background:
    """What surrounds a market: who lists it, what visitors think of it, and on which other days it is."""

    sources: list[ListedBy]
    average: float | None
    ratings: int
    comments: list[str]
    days: list[Market]


class SiteService:
    """Reads for the page, as an anonymous visitor may."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._sessions = sessions(engine)

    async def background(self, market_id: UUID, series_id: UUID) -> Background:
        """Return what surrounds a market."""
        days = select(Market).where(
            Market.series_id == series_id,
            Market.id != market_id,
            Market.state == MarketState.SCHEDULED,
            Market.end_date >= today_in_denmark(),
        )
        async with self._sessions.begin() as session:
            await act_as(session, ANONYMOUS)
            rated = (await summarise(session, [market_id]))[market_id].all
            newest = await ratings_of_market(session, market_id, limit=_RATINGS, offset=0)
            others = await session.execute(days.order_by(Market.start_date).limit(_MORE_DAYS))
            return Background(
                sources=await sources_of(session, market_id),
                average=rated.average,
                ratings=rated.count,
                comments=[rating.comment for rating in newest if rating.comment][:_COMMENTS],
                days=list(others.scalars()),
            )
