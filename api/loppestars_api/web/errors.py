"""Errors that clients see, and the one body they share.

    ApiError                      status, detail and headers of an answer
    ├── NotAuthenticated     401
    ├── Forbidden            403
    ├── NotFound             404
    ├── Conflict             409
    ├── Gone                 410
    ├── BodyTooSlow          408
    ├── TooLarge             413
    ├── UnsupportedMedia     415
    ├── RangeNotSatisfiable  416
    ├── Unprocessable        422
    ├── TooManyRequests      429, Retry-After
    ├── Unavailable          503, Retry-After
    └── StillRunning         504, Retry-After

Every error body is `{"detail": …, "request_id": …}`: detail is a sentence, or FastAPI's list where a parameter is
wrong; routes of another dialect put an `ErrorForm` into the scope. Nothing of the inside (SQL, paths, addresses, stack
text) is in it; that goes to the log under the same id.
"""

import math
from collections.abc import Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

import orjson
import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Send

from loppestars_core.storage import StorageUnavailable

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 5
MAX_ECHOED_CHARACTERS: Final = 200
# SQLSTATE classes of a lost, refused or exhausted connection and of a statement that was cut off.
_UNAVAILABLE_CLASSES: Final = frozenset({"08", "53", "57", "58"})
_READ_ONLY_TRANSACTION: Final = "25006"

Scope = MutableMapping[str, Any]


class ApiError(HTTPException):
    """An answer other than the expected one; `headers` go out with it.

    A kind of Starlette's exception, because FastAPI turns any other that is raised while a body is read into a 400.
    """

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(self.status, detail, dict(headers or {}))


class NotAuthenticated(ApiError):
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str = "This needs a bearer token: send 'Authorization: Bearer <token>'.") -> None:
        super().__init__(detail, {"WWW-Authenticate": "Bearer"})


class Forbidden(ApiError):
    status = HTTPStatus.FORBIDDEN


class NotFound(ApiError):
    status = HTTPStatus.NOT_FOUND


class BodyTooSlow(ApiError):
    status = HTTPStatus.REQUEST_TIMEOUT


class Conflict(ApiError):
    status = HTTPStatus.CONFLICT


class Gone(ApiError):
    status = HTTPStatus.GONE


class TooLarge(ApiError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMedia(ApiError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class RangeNotSatisfiable(ApiError):
    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The file has {size} bytes; none of them is in this range.", {"Content-Range": f"bytes */{size}"}
        )


class Unprocessable(ApiError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class _Later(ApiError):
    """An answer that says when to come back."""

    def __init__(self, detail: str, retry_after: float) -> None:
        self.retry_after = max(1, math.ceil(retry_after))
        super().__init__(detail, {"Retry-After": str(self.retry_after)})


class TooManyRequests(_Later):
    status = HTTPStatus.TOO_MANY_REQUESTS


class Unavailable(_Later):
    status = HTTPStatus.SERVICE_UNAVAILABLE


class StillRunning(_Later):
    status = HTTPStatus.GATEWAY_TIMEOUT


class ErrorBody(BaseModel):
    """Body of every error that is not about a parameter."""

    detail: str = Field(description="What was wrong and what is allowed.")
    request_id: str = Field(description="Quote it when you report a problem; it is in the logs.")


class WrongParameter(BaseModel):
    """One parameter or field that was refused."""

    model_config = ConfigDict(extra="allow")

    type: str
    loc: list[str | int]
    msg: str


class ValidationErrorBody(BaseModel):
    """Body of a 422: a list for parameters, a sentence for a photo."""

    detail: list[WrongParameter] | str
    request_id: str


_DESCRIPTIONS: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "The body cannot be read",
    HTTPStatus.UNAUTHORIZED: "No token, or one that is not accepted",
    HTTPStatus.FORBIDDEN: "The token does not allow this",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Method not allowed",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time",
    HTTPStatus.CONFLICT: "The current state does not allow this",
    HTTPStatus.GONE: "Withdrawn",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is longer than allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Larger than allowed",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Not a photo in a supported format",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The range lies behind the end of the file",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter, or the photo, was refused",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; Retry-After says when to come back",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal error; the log has it under the request id",
    HTTPStatus.SERVICE_UNAVAILABLE: "Temporarily unavailable; Retry-After says when to come back",
    HTTPStatus.GATEWAY_TIMEOUT: "Still being processed; the same request later returns the result",
}
_LATER: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the error answers that a route can give."""
    return {int(status): _answer(status) for status in statuses}


def _answer(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": {"schema": {"type": "string"}}}
    if status in _LATER:
        headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    model = ValidationErrorBody if status == HTTPStatus.UNPROCESSABLE_ENTITY else ErrorBody
    return {"description": _DESCRIPTIONS[status], "model": model, "headers": headers}


ErrorForm = Callable[[HTTPException, str], object]
"""Makes the JSON body of an error and a request id, for routes of another dialect."""


def plain_form(error: HTTPException, request_id: str) -> object:
    """Return the body that errors have unless a dialect says otherwise."""
    return {"detail": error.detail, "request_id": request_id}


def error_answer(scope: Scope, error: HTTPException) -> Response:
    """Return the answer of `error` in the form that the request's dialect reads."""
    form: ErrorForm = scope.get("error_form", plain_form)
    body = orjson.dumps(form(error, str(scope.get("request_id", ""))), default=str)
    headers = {**(error.headers or {}), "Cache-Control": "no-store"}
    return Response(body, error.status_code, headers, media_type="application/json")


async def answer_fault(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a fault of ours, and say nothing about it."""
    detail = "Something went wrong on our side. Report it with this request id."
    await error_answer(scope, HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, detail))(scope, receive, send)


def install_error_handlers(app: FastAPI) -> None:
    """Give every error the same body, whatever raised it."""
    app.exception_handler(HTTPException)(_on_http_exception)

    @app.exception_handler(RequestValidationError)
    async def on_validation_error(request: Request, error: RequestValidationError) -> Response:
        refusal: Any = HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY)
        refusal.detail = [_safe_item(item) for item in error.errors()]
        return error_answer(request.scope, refusal)

    async def on_database_error(request: Request, error: Exception) -> Response:
        if isinstance(error, DBAPIError) and not _is_unavailable(error):
            raise error
        log.warning("database_unavailable", error=type(error).__name__, reason=_first_line(error))
        return error_answer(request.scope, Unavailable("The database does not answer at the moment.", RETRY_SECONDS))

    for kind in (DBAPIError, PoolTimeout, TimeoutError, psycopg.OperationalError, psycopg.InterfaceError):
        app.exception_handler(kind)(on_database_error)

    @app.exception_handler(StorageUnavailable)
    async def on_storage_error(request: Request, error: Exception) -> Response:
        log.warning("storage_unavailable", reason=_first_line(error))
        refusal = Unavailable("The storage of photos does not answer at the moment.", RETRY_SECONDS)
        return error_answer(request.scope, refusal)


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    if "Allow" in (error.headers or {}):
        # Every GET route answers HEAD, which Starlette does not know.
        allowed = str((error.headers or {})["Allow"])
        methods = sorted({name.strip() for name in allowed.split(",")} | ({"HEAD"} if "GET" in allowed else set()))
        error.headers = {**(error.headers or {}), "Allow": ", ".join(methods)}
    return error_answer(request.scope, error)


def _safe_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Copy an entry of FastAPI's list, safe to send: long input is cut, what JSON cannot hold becomes text."""
    safe: dict[str, Any] = {
        "type": item["type"],
        "loc": [part if isinstance(part, int) else _text(part) for part in item["loc"]],
        "msg": _text(item["msg"]),
    }
    given = item.get("input")
    if given is None or isinstance(given, bool | int):
        safe["input"] = given if not isinstance(given, int) or abs(given) < 2**53 else _text(given)
    elif isinstance(given, str | float):
        safe["input"] = _text(given)
    return safe


def _text(value: object) -> str:
    # Lone surrogates come from percent-encoded bytes; UTF-8 cannot hold them.
    text = str(value)[:MAX_ECHOED_CHARACTERS]
    return text.encode("utf-8", "replace").decode("utf-8")


def _is_unavailable(error: DBAPIError) -> bool:
    """Tell whether the database is away, full or too slow, apart from a statement that is wrong."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return type(error.orig).__name__ in {"OperationalError", "InterfaceError", "PoolTimeout", "ConnectionTimeout"}
    return str(state)[:2] in _UNAVAILABLE_CLASSES or state == _READ_ONLY_TRANSACTION


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).splitlines()[0][:300] if str(error) else ""
