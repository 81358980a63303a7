"""One serialisable question about markets, and its SQL. Lists, exports and saved searches all ask through it."""

import math
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import ColumnElement, Label, Select, case, cast, func, literal, literal_column, null, select
from sqlalchemy.dialects.postgresql import TSQUERY

from loppestars_core.database.models import Market, MarketState
from loppestars_core.markets.folding import fold, prefix_query

# IUGG mean radius; great-circle distances on it differ from the ellipsoid's by less than 0.5 %.
EARTH_RADIUS_KM = 6371.0088
KM_PER_DEGREE = EARTH_RADIUS_KM * math.pi / 180

# The keys of MarketResponse, in their order; `distance` follows them.
RESPONSE_COLUMNS = (
    *("id", "external_id", "name", "municipality", "category", "start_date", "end_date", "address", "city"),
    *("postal_code", "latitude", "longitude", "description", "organizer_name", "organizer_phone", "organizer_email"),
    *("organizer_website", "opening_hours", "entry_fee", "stall_count", "has_food", "has_parking", "has_toilets"),
    *("has_wifi", "is_indoor", "is_outdoor", "special_features", "source_url", "loppemarkeder_nu", "scraped_at"),
)

# Written out, not bound: the planner must see that the partial indexes apply, also in a prepared statement.
_LISTED = Market.state == literal_column(f"'{MarketState.SCHEDULED}'")

Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Position(BaseModel):
    """A point on the earth, in degrees (WGS 84)."""

    model_config = ConfigDict(frozen=True)

    latitude: Latitude
    longitude: Longitude


class MarketQuery(BaseModel):
    """Which markets, in which order, and which page of them.

    A market matches `from_day`/`until_day` when it runs on any day between them, both included. With a position,
    distances are computed; with a radius too, markets beyond it or without coordinates are left out and the nearest
    come first. With a text, the best match comes first and ended markets come last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: Position | None = None
    radius_km: Annotated[float, Field(gt=0, le=500, allow_inf_nan=False)] | None = None
    from_day: date | None = None
    until_day: date | None = None
    text: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    flags: dict[str, bool] = Field(default_factory=dict)
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.radius_km is not None and self.position is None:
            raise ValueError("radius_km needs a position")
        if self.from_day is not None and self.until_day is not None and self.until_day < self.from_day:
            raise ValueError("until_day is before from_day")
        known = {"has_food", "has_parking", "has_toilets", "has_wifi", "is_indoor", "is_outdoor"}
        if unknown := set(self.flags) - known:
            raise ValueError(f"unknown flags {sorted(unknown)}; known are {sorted(known)}")
        return self


def select_markets(query: MarketQuery, today: date) -> Select[Any]:
    """The SQL of `query`: rows of `RESPONSE_COLUMNS` and `distance` (km, null without a position)."""
    distance = _distance(query.position)
    found = select(*_columns(), distance).where(_LISTED, *_conditions(query))
    if query.radius_km is not None:
        # The box in `_conditions` used the index; the exact distance is computed once, for what is in the box.
        inner = found.subquery("within_box")
        outer = select(inner).where(inner.c.distance <= query.radius_km)
        return _page(outer.order_by(inner.c.distance, inner.c.start_date, inner.c.id), query)
    return _page(found.order_by(*_order(query, distance, today)), query)


def select_market() -> Select[Any]:
    """One market as `RESPONSE_COLUMNS` and a null distance, whatever its state; the caller adds the id."""
    return select(*_columns(), null().label("distance"))


def _columns() -> list[Any]:
    return [getattr(Market, name) for name in RESPONSE_COLUMNS]


def _page(statement: Select[Any], query: MarketQuery) -> Select[Any]:
    return statement.limit(query.limit).offset(query.offset) if query.offset else statement.limit(query.limit)


def _conditions(query: MarketQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.from_day is not None:
        conditions.append(Market.end_date >= query.from_day)
    if query.until_day is not None:
        conditions.append(Market.start_date <= query.until_day)
    if query.text is not None:
        words = prefix_query(query.text)
        # A text without a single letter or digit matches nothing.
        conditions.append(
            literal_column("false") if words is None else Market.search_terms.op("@@")(cast(literal(words), TSQUERY))
        )
    conditions.extend(getattr(Market, name).is_(wanted) for name, wanted in sorted(query.flags.items()))
    if query.position is not None and query.radius_km is not None:
        conditions.append(Market.latitude.is_not(None))
        conditions.append(_within_box(query.position, query.radius_km))
    return conditions


def _within_box(centre: Position, radius_km: float) -> ColumnElement[bool]:
    west, south, east, north = bounding_box(centre, radius_km)
    corners = func.box(func.point(west, south), func.point(east, north))
    return func.point(Market.longitude, Market.latitude).op("<@")(corners)


def bounding_box(centre: Position, radius_km: float) -> tuple[float, float, float, float]:
    """(west, south, east, north) in degrees, around every point within `radius_km` of `centre`.

    The half width in longitude is asin(sin(r) / cos(latitude)), r being the angular radius: meridians converge, so
    the circle is widest north of its centre. Around a pole or across the antimeridian it is the whole band.
    """
    # A little wider than exact, so that rounding never drops a market on the rim.
    angle = radius_km / EARTH_RADIUS_KM * 1.000001 + 1e-9
    height = math.degrees(angle)
    south, north = centre.latitude - height, centre.latitude + height
    ratio = math.sin(angle) / max(math.cos(math.radians(centre.latitude)), 1e-12)
    if south <= -90 or north >= 90 or ratio >= 1:  # noqa: PLR2004 - the poles
        return (-180.0, max(south, -90.0), 180.0, min(north, 90.0))
    width = math.degrees(math.asin(ratio))
    west, east = centre.longitude - width, centre.longitude + width
    if west < -180 or east > 180:  # noqa: PLR2004 - the antimeridian
        return (-180.0, south, 180.0, north)
    return (west, south, east, north)


def _distance(position: Position | None) -> Label[Any]:
    """Great-circle distance in km by the haversine formula, which stays exact for short distances."""
    if position is None:
        return null().label("distance")
    latitude = func.radians(Market.latitude)
    here = math.radians(position.latitude)
    half_height = func.sin((latitude - here) / 2)
    half_width = func.sin((func.radians(Market.longitude) - math.radians(position.longitude)) / 2)
    chord = half_height * half_height + math.cos(here) * func.cos(latitude) * half_width * half_width
    kilometres = 2 * EARTH_RADIUS_KM * func.asin(func.sqrt(func.least(1.0, chord)))
    # LEAST passes over nulls: a market without coordinates would be half the world away.
    return case((Market.latitude.is_not(None), kilometres)).label("distance")


def _order(query: MarketQuery, distance: Label[Any], today: date) -> list[Any]:
    if query.text is not None:
        return [(Market.end_date < today), _rank(query.text), Market.start_date, Market.name, Market.id]
    if query.position is not None:
        return [distance.asc().nulls_last(), Market.start_date, Market.id]
    return [Market.start_date, Market.name, Market.id]


def _rank(text: str) -> ColumnElement[int]:
    """0 for the very name, then names that start with it, hold it as a word, hold it at all; then other columns."""
    folded = fold(text)
    name = Market.search_name
    return case(
        (name == folded, 0),
        (name.startswith(folded, autoescape=True), 1),
        (name.contains(f" {folded}", autoescape=True), 2),
        (name.contains(folded, autoescape=True), 3),
        (func.lower(Market.city) == text.lower().replace("\x00", ""), 4),
        else_=5,
    )
