"""Organisers claim their markets, admins decide, and then they see what visitors think of them."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from loppestars_api.access.dependencies import AccessControl, User, requires
from loppestars_api.access.principal import Principal, Scope
from loppestars_api.organisers.dependencies import Organisers
from loppestars_api.organisers.schemas import ClaimDecision, ClaimRecord, ClaimRequest, OrganisedMarket
from loppestars_api.organisers.service import NO_SUCH_CLAIM, NO_SUCH_MARKET
from loppestars_api.web.errors import answers
from loppestars_api.web.parameters import Offset, uuid_or_missing
from loppestars_api.web.responses import NO_STORE, json_response

router = APIRouter(
    tags=["organisers"],
    responses=answers(HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)
_BODY_ERRORS: Final = answers(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
Admin = Annotated[Principal, Depends(requires(Scope.DECIDE_CLAIMS))]


@router.post(
    "/markets/{market_id}/claim",
    response_model=ClaimRecord,
    status_code=HTTPStatus.ACCEPTED,
    responses=_BODY_ERRORS,
)
async def claim(
    user: User,
    organisers: Organisers,
    access: AccessControl,
    market_id: Annotated[str, Path(description="A market's `id`.")],
    body: ClaimRequest | None = None,
) -> Response:
    """Say that a market, and all its dates, is one's own; an admin decides."""
    await access.limiter.take(access.rates.strangers, user.limit_key)
    found = await organisers.claim(
        user.id, uuid_or_missing(market_id, NO_SUCH_MARKET), (body or ClaimRequest()).message
    )
    return json_response(found.model_dump(mode="json"), HTTPStatus.ACCEPTED, NO_STORE)


@router.get("/me/claims", response_model=list[ClaimRecord])
async def own(user: User, organisers: Organisers) -> Response:
    """List one's own claims, whatever became of them."""
    return _list(await organisers.own(user.id))


@router.get("/me/markets", response_model=list[OrganisedMarket])
async def markets(user: User, organisers: Organisers) -> Response:
    """List the markets that one may speak for, with their ratings and favourites as numbers."""
    found = await organisers.markets(user.id)
    return json_response([item.model_dump(mode="json") for item in found], headers=NO_STORE)


@router.get(
    "/claims",
    response_model=list[ClaimRecord],
    responses=answers(HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def waiting(
    _admin: Admin,
    organisers: Organisers,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Offset = 0,
) -> Response:
    """List the claims that wait for a decision, the oldest first."""
    return _list(await organisers.waiting(limit, offset))


@router.post(
    "/claims/{claim_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={**_BODY_ERRORS, **answers(HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)},
)
async def decide(admin: Admin, organisers: Organisers, claim_id: str, body: ClaimDecision) -> Response:
    """Grant a claim, which makes its user an organiser, refuse it, or revoke it. All are in the audit log."""
    await organisers.decide(uuid_or_missing(claim_id, NO_SUCH_CLAIM), body, admin.id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _list(found: list[ClaimRecord]) -> Response:
    return json_response([item.model_dump(mode="json") for item in found], headers=NO_STORE)
