"""Sources and their markets in quarantine, and the log of a run as it comes; for admins."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response, StreamingResponse

from loppestars_api.access.dependencies import AccessControl
from loppestars_api.crawls.dependencies import Crawls, Sources
from loppestars_api.crawls.endpoints import Admin, RunId
from loppestars_api.crawls.service import NO_SUCH_RUN
from loppestars_api.crawls.source_schemas import QuarantinedRecord, ReleaseResponse, SourceChange, SourceRecord
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

SourceName = Annotated[str, Path(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
_BODY_ERRORS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@router.get("/sources", response_model=list[SourceRecord])
async def sources(_admin: Admin, service: Sources) -> Response:
    """List the sources with their health, by name."""
    records = [record.model_dump(mode="json", by_alias=True) for record in await service.records()]
    return json_response(records, headers=NO_STORE)


@router.put("/sources/{name}", response_model=SourceRecord, responses=answers(*_BODY_ERRORS))
async def put_source(
    admin: Admin, service: Sources, access: AccessControl, name: SourceName, body: SourceChange
) -> Response:
    """Add a source, or replace one; it stands above what the settings say."""
    await access.limiter.take(access.rates.triggers, admin.limit_key)
    record = await service.put(admin, name, body)
    return json_response(record.model_dump(mode="json", by_alias=True), headers=NO_STORE)


@router.delete(
    "/sources/{name}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=answers(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def delete_source(admin: Admin, service: Sources, access: AccessControl, name: SourceName) -> Response:
    """Forget what an admin said of a source; its markets stay, and the settings speak again."""
    await access.limiter.take(access.rates.triggers, admin.limit_key)
    await service.remove(admin, name)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/quarantine", response_model=list[QuarantinedRecord], responses=answers(HTTPStatus.UNPROCESSABLE_ENTITY))
async def quarantine(
    _admin: Admin, service: Sources, limit: Annotated[int, Query(ge=1, le=200)] = 50, offset: Offset = 0
) -> Response:
    """List markets that were understood and are not believed, with the reasons, the newest first."""
    records = await service.quarantined(limit, offset)
    return json_response([record.model_dump(mode="json", by_alias=True) for record in records], headers=NO_STORE)


@router.post(
    "/quarantine/{number}/release",
    response_model=ReleaseResponse,
    responses=answers(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
async def release(
    admin: Admin,
    service: Sources,
    access: AccessControl,
    number: Annotated[int, Path(ge=1, le=2**62, description="The `id` of a market in quarantine.")],
) -> Response:
    """Believe a market: it is listed now, and the same words are believed from now on."""
    await access.limiter.take(access.rates.triggers, admin.limit_key)
    answer = ReleaseResponse(name=await service.release(admin, number))
    return json_response(answer.model_dump(mode="json"), headers=NO_STORE)


@router.get(
    "/runs/{run_id}/events",
    response_class=Response,
    responses={
        HTTPStatus.OK: {
            "content": {"text/event-stream": {}},
            "description": "Server-sent events: the log in order, `progress`, and `end` when the run has ended.",
        },
        **answers(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    },
)
async def events(
    _admin: Admin,
    crawls: Crawls,
    run_id: RunId,
    last_event_id: Annotated[int, Header(ge=0, le=2**62, description="The last id that was seen.")] = 0,
) -> Response:
    """Follow the log of a run until it ends, from the event after `Last-Event-ID` on."""
    stream = await crawls.follow(uuid_or_missing(run_id, NO_SUCH_RUN), last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers={**NO_STORE, "X-Accel-Buffering": "no"})
