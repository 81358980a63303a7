"""One serialisable question about markets, and its SQL. Lists, exports and saved searches all ask through it."""

import math
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Date,
    Double,
    Integer,
    Label,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from loppestars_core.kit.folding import fold
from loppestars_core.markets.fields import COLUMNS, FLAGS
from loppestars_core.markets.models import Market, MarketState
from loppestars_core.markets.search_text import search_query

# IUGG mean radius; great-circle distances on it differ from the ellipsoid's by less than 0.5 %.
EARTH_RADIUS_KM: Final = 6371.0088

# Written out, not bound: the planner must see that the partial indexes apply, also in a prepared statement.
_LISTED: Final = Market.state == literal_column(f"'{MarketState.SCHEDULED}'")

_ESCAPE: Final = "/"

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
    come first. With a text, the best match comes first and ended markets come last, the latest of them first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: Position | None = None
    radius_km: Annotated[float, Field(gt=0, le=500, allow_inf_nan=False)] | None = None
    from_day: date | None = None
    until_day: date | None = None
    text: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    flags: dict[str, bool] = Field(default_factory=dict)
    limit: Annotated[int, Field(ge=1)] | None = 50
    """None is all of them, which only exports ask for."""
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.radius_km is not None and self.position is None:
            raise ValueError("radius_km needs a position")
        if self.from_day is not None and self.until_day is not None and self.until_day < self.from_day:
            raise ValueError("until_day is before from_day")
        if unknown := set(self.flags) - set(FLAGS):
            raise ValueError(f"unknown flags {sorted(unknown)}; known are {sorted(FLAGS)}")
        return self


class Shape(NamedTuple):
    """What of a query decides its SQL, apart from the values in it."""

    positioned: bool
    within_radius: bool
    from_day: bool
    until_day: bool
    text: bool
    words: bool
    flags: tuple[tuple[str, bool], ...]
    offset: bool


def select_markets(query: MarketQuery, today: date) -> Select[Any]:
    """Return the SQL of `query`: rows of `COLUMNS` and `distance` (km, null without a position)."""
    return _statement(shape_of(query)).params(parameters(query, today))


def compile_markets(query: MarketQuery, today: date) -> tuple[str, dict[str, Any]]:
    """Return the same as psycopg takes it: text with named parameters, and their values.

    Building and compiling an expression of this size takes longer than many of the searches; the text depends on the
    shape of the query only, so it is kept.
    """
    sql, constants = _sql(shape_of(query))
    return sql, constants | parameters(query, today)


def parameters(query: MarketQuery, today: date) -> dict[str, Any]:
    """Return the values that the SQL of `query` refers to by name."""
    values: dict[str, Any] = {
        "limit": query.limit,
        "offset": query.offset,
        "from_day": query.from_day,
        "until_day": query.until_day,
        "today": today,
    }
    if query.position is not None:
        here = math.radians(query.position.latitude)
        values |= {"here": here, "here_cosine": math.cos(here), "east_of": math.radians(query.position.longitude)}
        if query.radius_km is not None:
            box = bounding_box(query.position, query.radius_km)
            values |= {"radius_km": query.radius_km, **dict(zip(("west", "south", "east", "north"), box, strict=True))}
    if query.text is not None:
        folded = fold(query.text)
        # PostgreSQL's text holds no NUL; `fold` drops it with everything else that is no letter or digit.
        values |= {"words": search_query(query.text), "folded": folded, "city": query.text.lower().replace("\x00", "")}
        values |= {"starts": f"{_escape(folded)}%", "has_word": f"% {_escape(folded)}%", "has": f"%{_escape(folded)}%"}
    return values


def shape_of(query: MarketQuery) -> Shape:
    """Return what of a query decides its SQL."""
    return Shape(
        positioned=query.position is not None,
        within_radius=query.radius_km is not None,
        from_day=query.from_day is not None,
        until_day=query.until_day is not None,
        text=query.text is not None,
        words=query.text is not None and search_query(query.text) is not None,
        flags=tuple(sorted(query.flags.items())),
        offset=query.offset > 0,
    )


@lru_cache(maxsize=256)
def _sql(shape: Shape) -> tuple[str, dict[str, Any]]:
    """Text, and the values of the numbers in it, which SQLAlchemy makes parameters too."""
    compiled = _statement(shape).compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    return str(compiled), dict(compiled.params)


@lru_cache(maxsize=256)
def _statement(shape: Shape) -> Select[Any]:
    distance = distance_to(shape)
    found = select(*columns(), distance).where(_LISTED, *conditions(shape))
    if shape.within_radius:
        # The box in `_conditions` used the index; the exact distance is computed once, for what is in the box.
        inner = found.subquery("within_box")
        outer = select(inner).where(inner.c.distance <= _number("radius_km"))
        return _page(outer.order_by(inner.c.distance, inner.c.start_date, inner.c.id), shape)
    return _page(found.order_by(*_order(shape, distance)), shape)


def select_market() -> Select[Any]:
    """Return one market as `COLUMNS` and a null distance, whatever its state; the caller adds the id."""
    return select(*columns(), null().label("distance"))


def columns() -> list[Any]:
    """Return the columns that clients read."""
    return [getattr(Market, name).label(name) for name in COLUMNS]


def _number(name: str) -> BindParameter[float]:
    return bindparam(name, type_=Double)


def _page(statement: Select[Any], shape: Shape) -> Select[Any]:
    page = statement.limit(bindparam("limit", type_=Integer))
    return page.offset(bindparam("offset", type_=Integer)) if shape.offset else page


def conditions(shape: Shape) -> list[ColumnElement[bool]]:
    """Return what markets of a query fulfil, their state and the exact radius apart."""
    found: list[ColumnElement[bool]] = []
    if shape.from_day:
        found.append(Market.end_date >= bindparam("from_day", type_=Date))
    if shape.until_day:
        found.append(Market.start_date <= bindparam("until_day", type_=Date))
    if shape.text:
        # A text without a single letter or digit matches nothing.
        words = cast(bindparam("words", type_=Text), TSQUERY)
        found.append(Market.search_terms.op("@@")(words) if shape.words else literal_column("false"))
    found.extend(getattr(Market, name).is_(wanted) for name, wanted in shape.flags)
    if shape.within_radius:
        found.append(Market.latitude.is_not(None))
        southwest = func.point(_number("west"), _number("south"))
        northeast = func.point(_number("east"), _number("north"))
        position = func.point(Market.longitude, Market.latitude)
        found.append(position.op("<@")(func.box(southwest, northeast)))
    return found


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


def distance_to(shape: Shape) -> Label[Any]:
    """Great-circle distance in km by the haversine formula, which stays exact for short distances."""
    if not shape.positioned:
        return null().label("distance")
    latitude = func.radians(Market.latitude)
    half_height = func.sin((latitude - _number("here")) / 2)
    half_width = func.sin((func.radians(Market.longitude) - _number("east_of")) / 2)
    chord = half_height * half_height + _number("here_cosine") * func.cos(latitude) * half_width * half_width
    kilometres: ColumnElement[float] = literal_column(str(2 * EARTH_RADIUS_KM)) * func.asin(
        func.sqrt(func.least(literal_column("1.0"), chord))
    )
    # LEAST passes over nulls: a market without coordinates would be half the world away.
    return case((Market.latitude.is_not(None), kilometres)).label("distance")


def _order(shape: Shape, distance: Label[Any]) -> list[Any]:
    if shape.text:
        today = bindparam("today", type_=Date)
        is_over = Market.end_date < today
        # What begins next is wanted first; of what is over, what was last.
        days_away = case((is_over, today - Market.end_date), else_=Market.start_date - today)
        return [is_over, _rank(), days_away, Market.name, Market.id]
    if shape.positioned:
        return [distance.asc().nulls_last(), Market.start_date, Market.id]
    return [Market.start_date, Market.name, Market.id]


def _rank() -> ColumnElement[int]:
    """0 for the very name, then names that start with it, hold it as a word, hold it at all; then other columns."""
    name = Market.search_name

    def like(pattern: str) -> ColumnElement[bool]:
        return name.like(bindparam(pattern, type_=Text), escape=_ESCAPE)

    return case(
        (name == bindparam("folded", type_=Text), 0),
        (Market.postal_code == bindparam("folded", type_=Text), 1),
        (like("starts"), 1),
        (like("has_word"), 2),
        (like("has"), 3),
        (func.lower(Market.city) == bindparam("city", type_=Text), 4),
        else_=5,
    )


def _escape(text: str) -> str:
    """`text` as LIKE takes it literally."""
    for character in (_ESCAPE, "%", "_"):
        text = text.replace(character, _ESCAPE + character)
    return text
