"""What is sent and read about ratings and favourites."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from loppestars_core.ratings.models import MAX_RATING, MIN_RATING

# PostgreSQL's text holds no NUL.
Stall = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\u0000]*$")]
Comment = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\u0000]*$")]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\+?[0-9 ]{5,20}$")]
PhotoUrl = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s\u0000]+$")]
Kind = Literal["stall", "market"]


class Average(BaseModel):
    """Mean from 1 to 10 of `count` ratings; null without any."""

    model_config = ConfigDict(from_attributes=True)

    average: float | None
    count: int


class RatingSummary(BaseModel):
    """Ratings of a market itself, of the stalls there, and of both together."""

    model_config = ConfigDict(from_attributes=True)

    market_id: UUID
    all: Average
    market: Average
    stalls: Average


class PublicRating(BaseModel):
    """A rating as everybody sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    rating: int
    rating_type: Kind
    stall_name: str | None
    comment: str | None
    photo_url: str | None
    created_at: datetime


class MarketRatings(BaseModel):
    """A page of a market's ratings, the newest first, under the averages of all of them."""

    summary: RatingSummary
    ratings: list[PublicRating]


class OwnRating(PublicRating):
    """A rating of the caller."""

    market_id: UUID
    market_name: str
    start_date: date
    end_date: date
    mobilepay_phone: str | None
    updated_at: datetime | None


class RatingChange(BaseModel):
    """A rating of a market, or with `stall_name` of a stall there. What is left out keeps its value."""

    model_config = ConfigDict(extra="forbid")

    rating: int = Field(ge=MIN_RATING, le=MAX_RATING)
    stall_name: Stall | None = None
    comment: Comment | None = None
    mobilepay_phone: Phone | None = None
    photo_url: PhotoUrl | None = None


class RatingId(BaseModel):
    id: UUID


class FavouriteMarket(BaseModel):
    """A market that the caller keeps an eye on, also when it is over, called off or vanished."""

    market_id: UUID
    name: str
    city: str | None
    start_date: date
    end_date: date
    state: Literal["scheduled", "cancelled", "postponed", "vanished"]
    added_at: datetime
