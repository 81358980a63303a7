"""Where markets come from, and how admins correct them, join them and take them apart."""

from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel
from starlette.responses import Response

from loppestars_api.access.dependencies import requires
from loppestars_api.access.principal import Principal, Scope
from loppestars_api.markets.curation.schemas import (
    ChangeRecord,
    CorrectionRecord,
    CorrectionRequest,
    DecisionRecord,
    PairDecision,
    PairRecord,
    SourceRecord,
    SplitRequest,
)
from loppestars_api.markets.curation.service import NO_SUCH_MARKET, Curation
from loppestars_api.markets.dependencies import Markets
from loppestars_api.markets.schemas import MarketResponse, market_bytes
from loppestars_api.web.errors import NotFound, answers
from loppestars_api.web.parameters import Offset, uuid_or_missing
from loppestars_api.web.responses import NO_STORE, json_response
from loppestars_core.kit.clock import today_in_denmark

Admin = Annotated[Principal, Depends(requires(Scope.MANAGE_MARKETS))]
MarketId = Annotated[str, Path(description="A market's `id`; that of one merged into another still works.")]
DecisionId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The `id` of a decision.")]
_Limit = Annotated[int, Query(ge=1, le=200)]
_Day = Annotated[date, Query(ge=date(2000, 1, 1), le=date(2099, 12, 31))]
_READ: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.UNPROCESSABLE_ENTITY)
_ADMIN: Final = (*_READ, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_BODY: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

router = APIRouter(prefix="/markets", tags=["curation"], responses=answers(*_READ))
admin_router = APIRouter(prefix="/markets", tags=["curation"], responses=answers(*_ADMIN))


class Decided(BaseModel):
    """The number by which a decision is undone, and the market that stays or that was split off."""

    decision: int
    market_id: str


@admin_router.get("/pairs", response_model=list[PairRecord])
async def pairs(
    _admin: Admin,
    curation: Curation,
    from_day: _Day | None = None,
    days: Annotated[int, Query(ge=1, le=365, description="How many days to look at.")] = 30,
    limit: _Limit = 50,
) -> Response:
    """List pairs of markets that may be one and are not decided yet, the most alike first, with the reasons."""
    first = from_day or today_in_denmark()
    found = await curation.pairs(first, first + timedelta(days=days), limit)
    return _json([PairRecord.of(pair) for pair in found])


@admin_router.post(
    "/pairs", response_model=Decided, responses=answers(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, *_BODY)
)
async def decide(admin: Admin, curation: Curation, body: PairDecision) -> Response:
    """Decide that two markets are one, or that they are not. It holds through later crawls until it is undone."""
    number = await curation.decide(admin, body.market_id, body.other_id, same=body.same, reason=body.reason)
    return _json(Decided(decision=number, market_id=str(body.market_id)))


@admin_router.get("/decisions", response_model=list[DecisionRecord], responses=answers(HTTPStatus.NOT_FOUND))
async def decisions(
    _admin: Admin, curation: Curation, market_id: str | None = None, limit: _Limit = 50, offset: Offset = 0
) -> Response:
    """List what was decided, by admins and by itself, the newest first."""
    about = None if market_id is None else uuid_or_missing(market_id, NO_SUCH_MARKET)
    found = await curation.decisions(about, limit, offset)
    return _json([DecisionRecord.of(decision) for decision in found])


@admin_router.delete(
    "/decisions/{decision_id}", status_code=HTTPStatus.NO_CONTENT, responses=answers(HTTPStatus.NOT_FOUND)
)
async def undo(admin: Admin, curation: Curation, decision_id: DecisionId) -> Response:
    """Undo a decision and what it did: joined markets are two again, under their ids; split ones are one."""
    await curation.undo(admin, decision_id)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=dict(NO_STORE))


@admin_router.post(
    "/{market_id}/split", response_model=Decided, responses=answers(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, *_BODY)
)
async def split(admin: Admin, curation: Curation, market_id: MarketId, body: SplitRequest) -> Response:
    """Take what some sources say out of a market: it becomes one of its own, and stays one through later crawls."""
    found = uuid_or_missing(market_id, NO_SUCH_MARKET)
    number, taken = await curation.split(admin, found, body.sources, body.reason)
    return _json(Decided(decision=number, market_id=str(taken)))


@admin_router.patch("/{market_id}", response_model=MarketResponse, responses=answers(HTTPStatus.NOT_FOUND, *_BODY))
async def correct(
    admin: Admin, curation: Curation, markets: Markets, market_id: MarketId, body: CorrectionRequest
) -> Response:
    """Correct fields of a market. They stay corrected through later crawls, until the correction is withdrawn."""
    found = uuid_or_missing(market_id, NO_SUCH_MARKET)
    await curation.correct(admin, found, body.model_dump(mode="json", exclude_unset=True))
    row = await markets.find(found)
    if row is None:
        raise NotFound(NO_SUCH_MARKET)
    return Response(market_bytes(row), headers=dict(NO_STORE), media_type="application/json")


@admin_router.get(
    "/{market_id}/corrections", response_model=list[CorrectionRecord], responses=answers(HTTPStatus.NOT_FOUND)
)
async def corrections(_admin: Admin, curation: Curation, market_id: MarketId) -> Response:
    """List the corrections of a market, with who made them and when."""
    found = await curation.corrections(uuid_or_missing(market_id, NO_SUCH_MARKET))
    return _json([CorrectionRecord.model_validate(row, from_attributes=True) for row in found])


@admin_router.delete(
    "/{market_id}/corrections/{field}", status_code=HTTPStatus.NO_CONTENT, responses=answers(HTTPStatus.NOT_FOUND)
)
async def withdraw(
    admin: Admin, curation: Curation, market_id: MarketId, field: Annotated[str, Path(examples=["opening_hours"])]
) -> Response:
    """Withdraw the correction of one field: what its sources say is shown again."""
    await curation.withdraw(admin, uuid_or_missing(market_id, NO_SUCH_MARKET), field)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=dict(NO_STORE))


@admin_router.get("/{market_id}/history", response_model=list[ChangeRecord], responses=answers(HTTPStatus.NOT_FOUND))
async def history(_admin: Admin, curation: Curation, market_id: MarketId) -> Response:
    """List what changed of a market, the latest first: in the words of its sources, by admins, or by itself."""
    found = await curation.history(uuid_or_missing(market_id, NO_SUCH_MARKET))
    return _json([ChangeRecord.model_validate(change, from_attributes=True) for change in found])


@router.get("/{market_id}/sources", response_model=list[SourceRecord], responses=answers(HTTPStatus.NOT_FOUND))
async def sources(curation: Curation, market_id: MarketId) -> Response:
    """List which sources say that there is this market, when each said so last, and what became of it there."""
    found = await curation.sources(uuid_or_missing(market_id, NO_SUCH_MARKET))
    return _json([SourceRecord.model_validate(by, from_attributes=True) for by in found])


def _json(shown: BaseModel | list[Any]) -> Response:
    content = [item.model_dump(mode="json") for item in shown] if isinstance(shown, list) else shown.model_dump()
    return json_response(content, headers=NO_STORE)
