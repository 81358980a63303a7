"""Crawls, for admins: start, follow and cancel one."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from loppestars_api.access.dependencies import Access, AccessControl, requires
from loppestars_api.access.principal import Principal, Scope
from loppestars_api.crawls.dependencies import Crawls
from loppestars_api.crawls.schemas import RetryRequest, RunDetails, RunRecord, TriggerRequest, TriggerResponse
from loppestars_api.crawls.service import NO_SUCH_RUN, CrawlService
from loppestars_api.web.errors import answers
from loppestars_api.web.parameters import Offset, uuid_or_missing
from loppestars_api.web.responses import NO_STORE, json_response

router = APIRouter(
    prefix="/scraper",
    tags=["crawls"],
    responses=answers(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)

Admin = Annotated[Principal, Depends(requires(Scope.MANAGE_CRAWLS))]
RunId = Annotated[str, Path(description="The `runId` of a trigger, or the `id` of a record.")]
_BODY_ERRORS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_STARTED: Final = "The crawl takes minutes: read /scraper/runs/{runId} to follow it."
_RUNNING_ALREADY: Final = "A crawl is already running, and only one runs at a time: this is its id."


async def start_crawl(
    admin: Principal, crawls: CrawlService, access: Access, wanted: TriggerRequest
) -> TriggerResponse:
    """Start a crawl within the admin's limit, and say which run it is."""
    await access.limiter.take(access.rates.triggers, admin.limit_key)
    run_id, created = await crawls.trigger(admin, wanted)
    return TriggerResponse(note=_STARTED if created else _RUNNING_ALREADY, runId=run_id)


@router.post("/trigger", response_model=TriggerResponse, responses=answers(*_BODY_ERRORS))
async def trigger(admin: Admin, crawls: Crawls, access: AccessControl, body: TriggerRequest | None = None) -> Response:
    """Start a crawl in the background; while one runs, its id is returned and nothing is started."""
    answer = await start_crawl(admin, crawls, access, body or TriggerRequest())
    return json_response(answer.model_dump(mode="json", by_alias=True), headers=NO_STORE)


@router.get("/runs", response_model=list[RunRecord], responses=answers(HTTPStatus.UNPROCESSABLE_ENTITY))
async def runs(
    _admin: Admin,
    crawls: Crawls,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Offset = 0,
) -> Response:
    """List crawl runs, the newest first."""
    found = await crawls.newest(limit, offset)
    return json_response([run.model_dump(mode="json") for run in found], headers=NO_STORE)


@router.get("/runs/{run_id}", response_model=RunDetails, responses=answers(HTTPStatus.NOT_FOUND))
async def run(_admin: Admin, crawls: Crawls, run_id: RunId) -> Response:
    """Return one crawl run, with the items that failed."""
    details = await crawls.details(uuid_or_missing(run_id, NO_SUCH_RUN))
    return json_response(details.model_dump(mode="json"), headers=NO_STORE)


@router.post(
    "/runs/{run_id}/cancel", response_model=RunRecord, responses=answers(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
)
async def cancel(admin: Admin, crawls: Crawls, access: AccessControl, run_id: RunId) -> Response:
    """Ask a crawl to stop; what it has stored is kept. A pending one is cancelled at once."""
    await access.limiter.take(access.rates.triggers, admin.limit_key)
    record = await crawls.cancel(admin, uuid_or_missing(run_id, NO_SUCH_RUN))
    return json_response(record.model_dump(mode="json"), headers=NO_STORE)


@router.post(
    "/runs/{run_id}/retry",
    response_model=TriggerResponse,
    responses=answers(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, *_BODY_ERRORS),
)
async def retry(
    admin: Admin, crawls: Crawls, access: AccessControl, run_id: RunId, body: RetryRequest | None = None
) -> Response:
    """Crawl again what did not succeed in a run, and nothing else; `acceptShrink` believes a source that shrank."""
    await access.limiter.take(access.rates.triggers, admin.limit_key)
    wanted = body or RetryRequest()
    again, created = await crawls.retry(admin, uuid_or_missing(run_id, NO_SUCH_RUN), accept_shrink=wanted.accept_shrink)
    answer = TriggerResponse(note=_STARTED if created else _RUNNING_ALREADY, runId=again)
    return json_response(answer.model_dump(mode="json", by_alias=True), headers=NO_STORE)
