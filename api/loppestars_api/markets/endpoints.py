"""Markets: those of today, those nearby, a search, and one by its id."""

from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from loppestars_api.markets.dependencies import Markets
from loppestars_api.markets.exports import calendar, json_ld
from loppestars_api.markets.filters import Filters
from loppestars_api.markets.schemas import (
    DaysAhead,
    LatitudeParameter,
    Limit,
    LongitudeParameter,
    MarketResponse,
    Radius,
    RadiusAlias,
    Row,
    SearchText,
    market_bytes,
    markets_bytes,
)
from loppestars_api.state import State
from loppestars_api.web.errors import NotFound, Unprocessable, answers
from loppestars_api.web.etag import cached_response
from loppestars_api.web.negotiation import preferred
from loppestars_api.web.parameters import Offset, uuid_or_missing
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.query import MarketQuery, Position

DEFAULT_RADIUS_KM: Final = 50.0
_NO_SUCH_MARKET: Final = "There is no market with this id."

_NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.NOT_MODIFIED.value: {"description": "Unchanged since the given If-None-Match"}
}
_CALENDAR_EXAMPLE: Final = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"
_EVENT_EXAMPLE: Final = {"@context": "https://schema.org", "@type": "Event", "name": "Loppemarked i Remisen"}
MarketId = Annotated[str, Path(description="A market's `id`; that of one merged into another still works.")]


def _documented(media_type: str, example: object) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entry of another form of a market."""
    kind = "string" if isinstance(example, str) else "object"
    return {HTTPStatus.OK.value: {"content": {media_type: {"schema": {"type": kind}, "example": example}}}}


router = APIRouter(
    prefix="/markets",
    tags=["markets"],
    responses={**_NOT_MODIFIED, **answers(HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)},
)


@router.get("/today", response_model=list[MarketResponse], responses=answers(HTTPStatus.UNPROCESSABLE_ENTITY))
async def today(  # noqa: PLR0913, PLR0917 - one argument per parameter
    request: Request,
    markets: Markets,
    latitude: LatitudeParameter | None = None,
    longitude: LongitudeParameter | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Response:
    """List the markets that run today in Denmark: started today or before, ending today or after."""
    day = today_in_denmark()
    query = MarketQuery(
        position=_position(latitude, longitude), from_day=day, until_day=day, limit=limit, offset=offset
    )
    return await _list(request, markets, query)


@router.get("/nearby", response_model=list[MarketResponse], responses=answers(HTTPStatus.UNPROCESSABLE_ENTITY))
async def nearby(  # noqa: PLR0913 - one argument per parameter
    request: Request,
    markets: Markets,
    *,
    latitude: LatitudeParameter,
    longitude: LongitudeParameter,
    radius_km: Radius = None,
    radius: RadiusAlias = None,
    days_ahead: DaysAhead = 30,
    filters: Filters,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Response:
    """List markets around a point that run now or start soon, nearest first; those without coordinates are left out."""
    day = filters.from_day or min(today_in_denmark(), filters.until_day or date.max)
    query = MarketQuery(
        position=Position(latitude=latitude, longitude=longitude),
        radius_km=radius_km or radius or DEFAULT_RADIUS_KM,
        from_day=day,
        until_day=filters.until_day or day + timedelta(days=days_ahead),
        flags=filters.flags,
        limit=limit,
        offset=offset,
    )
    return await _list(request, markets, query)


@router.get("/search", response_model=list[MarketResponse], responses=answers(HTTPStatus.UNPROCESSABLE_ENTITY))
async def search(  # noqa: PLR0913, PLR0917 - one argument per parameter
    request: Request, markets: Markets, query: SearchText, filters: Filters, limit: Limit = 50, offset: Offset = 0
) -> Response:
    """List markets that match all words, best match first, upcoming before past.

    Places are found by their names in other languages, abbreviations, regions and postal codes; where nothing is
    found, one typing error is forgiven.
    """
    asked = MarketQuery(
        text=query,
        from_day=filters.from_day,
        until_day=filters.until_day,
        flags=filters.flags,
        limit=limit,
        offset=offset,
    )
    return await _list(request, markets, asked)


@router.get(
    "/{market_id}.ics",
    response_class=Response,
    responses={**_documented("text/calendar", _CALENDAR_EXAMPLE), **answers(HTTPStatus.NOT_FOUND)},
)
async def market_calendar(request: Request, markets: Markets, market_id: MarketId) -> Response:
    """Return one market as a calendar, to be added to one's own."""
    row = await _find(markets, market_id)
    body = calendar.head() + "".join(calendar.events([row])).encode() + b"END:VCALENDAR\r\n"
    return cached_response(body, request.headers, media_type=calendar.MEDIA_TYPE)


@router.get(
    "/{market_id}",
    response_model=MarketResponse,
    responses={**_documented(json_ld.MEDIA_TYPE, _EVENT_EXAMPLE), **answers(HTTPStatus.NOT_FOUND)},
)
async def market(request: Request, markets: Markets, market_id: MarketId, state: State) -> Response:
    """Return one market, whether it is over or not; with `Accept: application/ld+json` as an Event of schema.org."""
    row = await _find(markets, market_id)
    wanted = preferred(request.headers.get("accept"), ("application/json", json_ld.MEDIA_TYPE))
    if wanted == json_ld.MEDIA_TYPE:
        event = json_ld.json_ld(row, str(state.settings.public_url).rstrip("/"))
        return cached_response(event, request.headers, media_type=json_ld.MEDIA_TYPE, vary="Accept")
    return cached_response(market_bytes(row), request.headers, vary="Accept")


async def _find(markets: Markets, market_id: str) -> Row:
    row = await markets.find(uuid_or_missing(market_id, _NO_SUCH_MARKET))
    if row is None:
        raise NotFound(_NO_SUCH_MARKET)
    return row


async def _list(request: Request, markets: Markets, query: MarketQuery) -> Response:
    return cached_response(markets_bytes(await markets.search(query)), request.headers)


def _position(latitude: float | None, longitude: float | None) -> Position | None:
    if latitude is not None and longitude is not None:
        return Position(latitude=latitude, longitude=longitude)
    if latitude is None and longitude is None:
        return None
    raise Unprocessable("latitude and longitude go together: give both or neither.")
