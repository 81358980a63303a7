"""Ratings of markets and stalls: one per visitor, market and stall."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.accounts.models import User
from loppestars_core.database.base import Base, CreatedAt, UuidKey, one_of
from loppestars_core.markets.models import Market

MIN_RATING: Final = 1
MAX_RATING: Final = 10


class RatingType(StrEnum):
    """What is rated."""

    STALL = "stall"
    MARKET = "market"


class Rating(Base):
    """A visitor's rating of a market (without a stall's name) or of a stall there."""

    __tablename__ = "ratings"
    __table_args__ = (
        # A rating of the market itself has no stall: that counts as a value, so there is one of it.
        UniqueConstraint("user_id", "market_id", "stall_name", postgresql_nulls_not_distinct=True),
        CheckConstraint(f"rating BETWEEN {MIN_RATING} AND {MAX_RATING}", name="rating_in_range"),
        CheckConstraint(one_of("rating_type", RatingType), name="rating_type_is_known"),
        Index("ix_ratings_market_id_created_at", "market_id", "created_at"),
        Index("ix_ratings_photo_url", "photo_url"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    market_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Market.id, ondelete="RESTRICT"))
    """Restrict: markets are never deleted except by a merge, and then their ratings move first."""
    stall_name: Mapped[str | None]
    mobilepay_phone: Mapped[str | None]
    rating: Mapped[int]
    photo_url: Mapped[str | None]
    comment: Mapped[str | None]
    rating_type: Mapped[str]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[datetime | None]
