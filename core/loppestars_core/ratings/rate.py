"""Store a rating: the second one of the same visitor, market and stall changes the first."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.markets.models import MarketRedirect
from loppestars_core.ratings.models import Rating, RatingType


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRating:
    """What a visitor says. `stall_name` is None for the market itself."""

    user_id: str
    market_id: uuid.UUID
    rating: int
    rating_type: RatingType
    stall_name: str | None = None
    mobilepay_phone: str | None = None
    photo_url: str | None = None
    comment: str | None = None
    created_at: datetime | None = None


async def rate(session: AsyncSession, new: NewRating) -> uuid.UUID:
    """Store a rating in one statement and return its id, also under a double tap.

    A comment or a phone number that is not given again stays. The id of a merged market counts as that of the market
    that it is now.

    Raises:
        sqlalchemy.exc.IntegrityError: there is no such market or user, or the number is out of range.
    """
    merged_into = select(MarketRedirect.market_id).where(MarketRedirect.id == new.market_id).scalar_subquery()
    statement = insert(Rating).values(
        id=uuid.uuid4(),
        user_id=new.user_id,
        market_id=func.coalesce(merged_into, new.market_id),
        stall_name=new.stall_name,
        mobilepay_phone=new.mobilepay_phone,
        rating=new.rating,
        photo_url=new.photo_url,
        comment=new.comment,
        rating_type=new.rating_type,
        created_at=new.created_at or func.now(),
    )
    given = statement.excluded
    stored = await session.execute(
        statement.on_conflict_do_update(
            index_elements=[Rating.user_id, Rating.market_id, Rating.stall_name],
            set_={
                "rating": given.rating,
                "rating_type": given.rating_type,
                "photo_url": func.coalesce(given.photo_url, Rating.photo_url),
                "mobilepay_phone": func.coalesce(given.mobilepay_phone, Rating.mobilepay_phone),
                "comment": func.coalesce(given.comment, Rating.comment),
                "updated_at": func.now(),
            },
        ).returning(Rating.id)
    )
    return stored.scalar_one()
