"""Markets: which run today, which are near, which match a word, and one by its id."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from loppestars_api.errors import NotFound, Unprocessable, answers
from loppestars_api.markets.caching import cached_response
from loppestars_api.markets.schemas import (
    DaysAhead,
    LatitudeParameter,
    Limit,
    LongitudeParameter,
    MarketResponse,
    Offset,
    Radius,
    RadiusAlias,
    SearchText,
)
from loppestars_api.markets.serialising import market_bytes, markets_bytes
from loppestars_api.services import Services, ServicesOf
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.query import MarketQuery, Position

DEFAULT_RADIUS_KM = 50.0

_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "Unchanged since the given If-None-Match"}}
router = APIRouter(
    prefix="/markets",
    tags=["markets"],
    responses={**_NOT_MODIFIED, **answers(429, 503)},
)


@router.get("/today", response_model=list[MarketResponse], responses=answers(422))
async def today(
    request: Request,
    services: ServicesOf,
    latitude: LatitudeParameter | None = None,
    longitude: LongitudeParameter | None = None,
    limit: Limit = 50,
) -> Response:
    """Markets that run today in Denmark: started today or before, ending today or after."""
    day = today_in_denmark()
    query = MarketQuery(position=_position(latitude, longitude), from_day=day, until_day=day, limit=limit)
    return await _list(request, services, query)


@router.get("/nearby", response_model=list[MarketResponse], responses=answers(422))
async def nearby(  # noqa: PLR0913 - one argument a parameter
    request: Request,
    services: ServicesOf,
    *,
    latitude: LatitudeParameter,
    longitude: LongitudeParameter,
    radius_km: Radius = None,
    radius: RadiusAlias = None,
    days_ahead: DaysAhead = 30,
    limit: Limit = 50,
) -> Response:
    """Markets around a point that run now or start soon, nearest first; those without coordinates are left out."""
    day = today_in_denmark()
    query = MarketQuery(
        position=Position(latitude=latitude, longitude=longitude),
        radius_km=radius_km or radius or DEFAULT_RADIUS_KM,
        from_day=day,
        until_day=day + timedelta(days=days_ahead),
        limit=limit,
    )
    return await _list(request, services, query)


@router.get("/search", response_model=list[MarketResponse], responses=answers(422))
async def search(
    request: Request, services: ServicesOf, query: SearchText, limit: Limit = 50, offset: Offset = 0
) -> Response:
    """Markets that match all words, best match first, upcoming before past."""
    return await _list(request, services, MarketQuery(text=query, limit=limit, offset=offset))


@router.get("/{market_id}", response_model=MarketResponse, responses=answers(404))
async def market(
    request: Request,
    services: ServicesOf,
    market_id: Annotated[str, Path(description="A market's `id`; that of one merged into another still works.")],
) -> Response:
    """One market, whether it is over or not."""
    _count(request, services)
    row = await services.markets.find(_uuid(market_id))
    if row is None:
        raise NotFound("There is no market with this id.")
    return cached_response(market_bytes(row), request.headers)


async def _list(request: Request, services: Services, query: MarketQuery) -> Response:
    _count(request, services)
    return cached_response(markets_bytes(await services.markets.search(query)), request.headers)


def _count(request: Request, services: Services) -> None:
    """The rate limit of reads; a call and no dependency, which would cost more than the counting."""
    services.list_limiter.take(services.addresses.key_of(request.scope))


def _position(latitude: float | None, longitude: float | None) -> Position | None:
    if latitude is not None and longitude is not None:
        return Position(latitude=latitude, longitude=longitude)
    if latitude is None and longitude is None:
        return None
    raise Unprocessable("latitude and longitude go together: give both or neither.")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no market with this id.") from None
