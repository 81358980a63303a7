"""Crawls, for admins: start one, see what came of it, cancel it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from loppestars_api.auth.dependencies import requires
from loppestars_api.auth.principal import Principal, Scope
from loppestars_api.crawls.schemas import RunDetails, RunRecord, TriggerRequest, TriggerResponse
from loppestars_api.errors import NotFound, answers
from loppestars_api.responses import json_response
from loppestars_api.services import ServicesOf

router = APIRouter(prefix="/scraper", tags=["crawls"], responses=answers(401, 403, 429, 503))

Admin = Annotated[Principal, Depends(requires(Scope.MANAGE_CRAWLS))]
RunId = Annotated[str, Path(description="The `runId` of a trigger, or the `id` of a record.")]
_NO_STORE = {"Cache-Control": "no-store"}
_STARTED = "The crawl takes minutes: read /scraper/runs/{runId} to follow it."
_RUNNING_ALREADY = "A crawl is running already, and only one runs at a time: this is its id."


@router.post("/trigger", response_model=TriggerResponse, responses=answers(400, 408, 413, 422))
async def trigger(admin: Admin, services: ServicesOf, body: TriggerRequest | None = None) -> Response:
    """Start a crawl in the background; while one runs, its id is returned and nothing is started."""
    await services.limiter.take(services.rates.triggers, admin.limit_key)
    run_id, created = await services.crawls.trigger(admin, body or TriggerRequest())
    answer = TriggerResponse(note=_STARTED if created else _RUNNING_ALREADY, runId=run_id)
    return json_response(answer.model_dump(mode="json", by_alias=True), headers=_NO_STORE)


@router.get("/runs", response_model=list[RunRecord], responses=answers(422))
async def runs(
    admin: Admin,
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """Crawl runs, the newest first."""
    services.list_limiter.take(admin.limit_key)
    found = await services.crawls.newest(limit, offset)
    return json_response([run.model_dump(mode="json") for run in found], headers=_NO_STORE)


@router.get("/runs/{run_id}", response_model=RunDetails, responses=answers(404))
async def run(admin: Admin, services: ServicesOf, run_id: RunId) -> Response:
    """One crawl run, with the items that failed."""
    services.list_limiter.take(admin.limit_key)
    details = await services.crawls.details(_uuid(run_id))
    return json_response(details.model_dump(mode="json"), headers=_NO_STORE)


@router.post("/runs/{run_id}/cancel", response_model=RunRecord, responses=answers(404, 409))
async def cancel(admin: Admin, services: ServicesOf, run_id: RunId) -> Response:
    """Ask a crawl to stop; what it has stored is kept. A pending one is cancelled at once."""
    await services.limiter.take(services.rates.triggers, admin.limit_key)
    record = await services.crawls.cancel(admin, _uuid(run_id))
    return json_response(record.model_dump(mode="json"), headers=_NO_STORE)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no crawl run with this id.") from None
