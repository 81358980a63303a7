"""What clients read of a market. The released app relies on these keys, in this order, with nulls present."""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field


class MarketResponse(BaseModel):
    """One occurrence of a market: a market on its dates."""

    id: UUID
    external_id: str
    name: str
    municipality: str | None
    category: str
    start_date: date
    end_date: date
    address: str | None
    city: str | None
    postal_code: str | None
    latitude: float | None
    longitude: float | None
    description: str | None
    organizer_name: str | None
    organizer_phone: str | None
    organizer_email: str | None
    organizer_website: str | None
    opening_hours: str | None
    entry_fee: float | None = Field(description="In Danish kroner.")
    stall_count: int | None
    has_food: bool
    has_parking: bool
    has_toilets: bool
    has_wifi: bool
    is_indoor: bool
    is_outdoor: bool
    special_features: str | None
    source_url: str | None
    loppemarkeder_nu: dict[str, Any] | None = Field(description="Further fields of loppemarkeder.nu, as found there.")
    scraped_at: datetime
    distance: float | None = Field(description="Kilometres from the given position; null where none was given.")


KEYS: Final = tuple(MarketResponse.model_fields)

LatitudeParameter = Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, description="Degrees north (WGS 84).")]
LongitudeParameter = Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, description="Degrees east (WGS 84).")]
Limit = Annotated[int, Query(ge=1, le=100, description="Most markets to return.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="How many matches to leave out.")]
DaysAhead = Annotated[int, Query(ge=1, le=365, description="How far into the future markets may start.")]
Radius = Annotated[float | None, Query(ge=1, le=500, allow_inf_nan=False, description="Kilometres; 50 by default.")]
RadiusAlias = Annotated[
    float | None, Query(ge=1, le=500, allow_inf_nan=False, description="Another name of `radius_km`, which wins.")
]
# PostgreSQL's text holds no NUL.
SearchText = Annotated[
    str,
    Query(
        min_length=1,
        max_length=200,
        pattern=r"^[^\u0000]*$",
        description="Words of a name, city, address or municipality; `kobenhavn` finds København.",
    ),
]
