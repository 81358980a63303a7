"""`/functions/v1`: what the app and its scripts call by name."""

from hmac import compare_digest
from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, Field, ValidationError
from starlette.responses import Response

from loppestars_api.access.dependencies import AccessControl
from loppestars_api.access.principal import Principal, Scope
from loppestars_api.crawls.dependencies import Crawls
from loppestars_api.crawls.endpoints import start_crawl
from loppestars_api.crawls.schemas import TriggerRequest
from loppestars_api.state import State
from loppestars_api.supabase.callers import identify_by_bearer
from loppestars_api.supabase.functions.errors import FunctionRefused
from loppestars_api.supabase.functions.proxy import ProxiedAnswer
from loppestars_api.web.responses import NO_STORE, json_response
from loppestars_core.activity.reports import NewReport, record_report

PREFIX: Final = "/functions/v1"
MAX_TEXT: Final = 50_000
router = APIRouter(prefix=PREFIX, include_in_schema=False)

FunctionCaller = Annotated[Principal, Depends(identify_by_bearer)]
Text = Annotated[str | None, Field(max_length=MAX_TEXT)]


class StatusBody(BaseModel):
    """A report about a crawl, in either of the two shapes that scripts send."""

    status: Text = None
    summary: dict[str, Any] | None = None
    scrape_date: AwareDatetime | None = Field(None, alias="scrapeDate")
    success: bool | None = None
    message: Text = None
    timestamp: AwareDatetime | None = None
    output: Text = None
    error: Text = None

    def report(self) -> NewReport:
        """Return what is kept; addresses that were to be written to are not."""
        status = self.status or ("success" if self.success else "failed")
        at = self.scrape_date or self.timestamp
        return NewReport(status, self.message, self.output, self.error, self.summary, at)


def _check_admin(caller: Principal) -> None:
    if caller.anonymous:
        raise FunctionRefused(HTTPStatus.UNAUTHORIZED, "This needs the bearer token of an admin.")
    if Scope.MANAGE_CRAWLS not in caller.scopes:
        raise FunctionRefused(HTTPStatus.FORBIDDEN, "This needs the admin role.")


@router.post("/trigger-scraper")
async def trigger_scraper(caller: FunctionCaller, crawls: Crawls, access: AccessControl) -> Response:
    """Start a crawl, for admins."""
    _check_admin(caller)
    started = await start_crawl(caller, crawls, access, TriggerRequest())
    answer = started.model_dump(mode="json", by_alias=True)
    return json_response({"success": True, "message": answer["message"], "scraperResponse": answer}, headers=NO_STORE)


@router.post("/send-scrape-status")
async def send_scrape_status(request: Request, access: AccessControl, state: State) -> Response:
    """Keep a report about a crawl: of an admin, or of a script that has the operator's token."""
    if not _has_operator_token(request, state.settings.operator_token.get_secret_value()):
        _check_admin(await identify_by_bearer(request, access, state))
    body = await _status_body(request)
    async with access.sessions.begin() as session:
        report_id = await record_report(session, body.report())
    answer = {"success": True, "logged": True, "id": str(report_id), "message": "The report was logged"}
    return json_response(answer, headers=NO_STORE)


@router.api_route("/api-proxy", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def api_proxy(request: Request, caller: FunctionCaller) -> Response:
    """Answer as another route of the API does."""
    target = request.query_params.get("path", "")
    if not target:
        raise FunctionRefused(HTTPStatus.BAD_REQUEST, "path is missing: name a path of the API, e.g. /markets/today")
    others = [(name, value) for name, value in request.query_params.multi_items() if name not in {"path", "apikey"}]
    return ProxiedAnswer(request.app.router, target, others, anonymous=caller.anonymous)


def _has_operator_token(request: Request, expected: str) -> bool:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = (request.query_params.get("token", ""), bearer.strip() if scheme.lower() == "bearer" else "")
    close = [compare_digest(token.encode("utf-8", "replace"), expected.encode()) for token in given]
    return bool(expected) and any(close)


async def _status_body(request: Request) -> StatusBody:
    try:
        body = StatusBody.model_validate(orjson.loads(await request.body()))
    except orjson.JSONDecodeError:
        raise FunctionRefused(HTTPStatus.BAD_REQUEST, "The body is not valid JSON") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "The body"
        raise FunctionRefused(HTTPStatus.BAD_REQUEST, f"{place}: {first['msg']}") from None
    if body.status is None and body.success is None:
        raise FunctionRefused(HTTPStatus.BAD_REQUEST, "The report says neither status nor success")
    return body
