"""What clients read of a market. The released app relies on these keys, in this order, with nulls present."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import AfterValidator, BaseModel, Field

from loppestars_api.web.parameters import PlainNumber


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


Row = dict[str, Any]
KEYS: Final = tuple(MarketResponse.model_fields)

MAX_WORDS: Final = 8

LatitudeParameter = Annotated[
    float, PlainNumber, Query(ge=-90, le=90, allow_inf_nan=False, description="Degrees north (WGS 84).")
]
LongitudeParameter = Annotated[
    float, PlainNumber, Query(ge=-180, le=180, allow_inf_nan=False, description="Degrees east (WGS 84).")
]
Limit = Annotated[int, PlainNumber, Query(ge=1, le=100, description="Maximum number of markets.")]
DaysAhead = Annotated[int, PlainNumber, Query(ge=1, le=365, description="How far into the future markets may start.")]
Radius = Annotated[
    float | None, PlainNumber, Query(ge=1, le=500, allow_inf_nan=False, description="Kilometres; 50 by default.")
]
RadiusAlias = Annotated[
    float | None,
    PlainNumber,
    Query(ge=1, le=500, allow_inf_nan=False, description="Another name of `radius_km`, which wins."),
]


# PostgreSQL's text holds no NUL.
SearchText = Annotated[
    str,
    # Each word once, and the first of them only: more find nothing else and cost the database much.
    AfterValidator(lambda text: " ".join(list(dict.fromkeys(text.split()))[:MAX_WORDS]) or text),
    Query(
        min_length=1,
        max_length=200,
        pattern=r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        description="Words of a name, city, address or municipality; `kobenhavn` finds København.",
    ),
]


def market_bytes(row: Row) -> bytes:
    """Return a row as JSON. Validating rows by pydantic costs more than reading them; a test validates instead."""
    return _dump(document(row))


def markets_bytes(rows: Iterable[Row]) -> bytes:
    """Return rows as a JSON array, in one step."""
    return _dump([document(row) for row in rows])


def document(row: Row) -> Row:
    """Return what clients read of a row, in the contract's order."""
    # The server's time zone decides the offset of what it returns; clients get UTC.
    return {key: row[key] for key in KEYS} | {"scraped_at": row["scraped_at"].astimezone(UTC)}


def _dump(content: dict[str, Any] | list[dict[str, Any]]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)
