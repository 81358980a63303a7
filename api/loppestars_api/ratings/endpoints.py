"""Ratings of markets and stalls, one's own ones, and favourites."""

from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from loppestars_api.access.dependencies import User
from loppestars_api.ratings.dependencies import Ratings
from loppestars_api.ratings.schemas import (
    FavouriteMarket,
    MarketRatings,
    OwnRating,
    RatingChange,
    RatingId,
    RatingSummary,
)
from loppestars_api.ratings.service import NO_SUCH_MARKET
from loppestars_api.web.errors import answers
from loppestars_api.web.etag import cached_response
from loppestars_api.web.parameters import Offset, uuid_or_missing
from loppestars_api.web.responses import NO_STORE, json_response

router = APIRouter(tags=["ratings"], responses=answers(HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE))
MAX_SUMMARIES: Final = 100
_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.NOT_MODIFIED.value: {"description": "Unchanged since the given If-None-Match"}
}
_OWN: Final = answers(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY)
_BODY_ERRORS: Final = answers(HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
MarketId = Annotated[str, Path(description="A market's `id`; that of one merged into another still works.")]
Limit = Annotated[int, Query(ge=1, le=100, description="Maximum number of entries.")]


@router.get(
    "/markets/ratings",
    response_model=list[RatingSummary],
    responses={**_UNCHANGED, **answers(HTTPStatus.UNPROCESSABLE_ENTITY)},
)
async def summaries(
    request: Request,
    ratings: Ratings,
    market_id: Annotated[
        list[UUID], Query(min_length=1, max_length=MAX_SUMMARIES, description="Repeat it for each market.")
    ],
) -> Response:
    """Return averages and counts of a screen of markets at once; unknown markets have counts of nought."""
    found = await ratings.summaries(list(dict.fromkeys(market_id)))
    body = b"[" + b",".join(item.model_dump_json().encode() for item in found) + b"]"
    return cached_response(body, request.headers)


@router.get(
    "/markets/{market_id}/ratings",
    response_model=MarketRatings,
    responses={**_UNCHANGED, **answers(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)},
)
async def of_market(
    request: Request, ratings: Ratings, market_id: MarketId, limit: Limit = 50, offset: Offset = 0
) -> Response:
    """Return the averages of a market, and its ratings with comments and photos, the newest first."""
    found = await ratings.of_market(uuid_or_missing(market_id, NO_SUCH_MARKET), limit, offset)
    return cached_response(found.model_dump_json().encode(), request.headers)


@router.put(
    "/markets/{market_id}/ratings",
    response_model=RatingId,
    responses={**_OWN, **_BODY_ERRORS, **answers(HTTPStatus.NOT_FOUND)},
)
async def rate(user: User, ratings: Ratings, market_id: MarketId, body: RatingChange) -> Response:
    """Rate a market, or a stall there: once per visitor and place, a second time changes the first."""
    rating_id = await ratings.rate(user.id, uuid_or_missing(market_id, NO_SUCH_MARKET), body)
    return json_response({"id": rating_id}, headers=NO_STORE)


@router.get("/me/ratings", response_model=list[OwnRating], responses=_OWN)
async def own(user: User, ratings: Ratings, limit: Limit = 50, offset: Offset = 0) -> Response:
    """List one's own ratings with their markets, the newest first."""
    found = await ratings.own(user.id, limit, offset)
    return json_response([item.model_dump(mode="json") for item in found], headers=NO_STORE)


@router.delete(
    "/me/ratings/{rating_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={**_OWN, **answers(HTTPStatus.NOT_FOUND)},
)
async def remove(user: User, ratings: Ratings, rating_id: str) -> Response:
    """Delete one's own rating."""
    await ratings.remove(user.id, uuid_or_missing(rating_id, "You have no rating with this id."))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/me/favourites", response_model=list[FavouriteMarket], responses=_OWN)
async def favourites(user: User, ratings: Ratings, limit: Limit = 50, offset: Offset = 0) -> Response:
    """List one's favourite markets, the next one first and those that are over last."""
    found = await ratings.favourites(user.id, limit, offset)
    return json_response([item.model_dump(mode="json") for item in found], headers=NO_STORE)


@router.put(
    "/me/favourites/{market_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={**_OWN, **answers(HTTPStatus.NOT_FOUND)},
)
async def keep(user: User, ratings: Ratings, market_id: MarketId) -> Response:
    """Add a favourite: you are notified when the market is called off, moved or no longer listed."""
    await ratings.keep(user.id, uuid_or_missing(market_id, NO_SUCH_MARKET), wanted=True)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete(
    "/me/favourites/{market_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={**_OWN, **answers(HTTPStatus.NOT_FOUND)},
)
async def drop(user: User, ratings: Ratings, market_id: MarketId) -> Response:
    """Remove a favourite; one that is none is fine."""
    await ratings.keep(user.id, uuid_or_missing(market_id, NO_SUCH_MARKET), wanted=False)
    return Response(status_code=HTTPStatus.NO_CONTENT)
