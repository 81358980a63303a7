"""What goes wrong on purpose, and how it is told.

    ApiError                      status, detail and headers of an answer
    ├── NotAuthenticated     401
    ├── Forbidden            403
    ├── NotFound             404
    ├── Conflict             409
    ├── BodyTooSlow          408
    ├── TooLarge             413
    ├── UnsupportedMedia     415
    ├── Unprocessable        422
    ├── TooManyRequests      429, Retry-After
    ├── Unavailable          503, Retry-After
    └── StillRunning         504, Retry-After

Every error body is `{"detail": …, "request_id": …}`: detail is a sentence, or FastAPI's list where a parameter is
wrong. Nothing of the inside (SQL, paths, addresses, stack text) is in it; that goes to the log under the same id.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

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

from loppestars_core.storage import StorageUnavailable

log = structlog.get_logger(__name__)

RETRY_SECONDS = 5
MAX_ECHOED_CHARACTERS = 200


class ApiError(HTTPException):
    """An answer other than the expected one; `headers` go out with it.

    A kind of Starlette's exception, because FastAPI turns any other that is raised while a body is read into a 400.
    """

    status: ClassVar[int] = 500

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(self.status, detail, dict(headers or {}))


class NotAuthenticated(ApiError):
    status = 401

    def __init__(self, detail: str = "This needs a bearer token: send 'Authorization: Bearer <token>'.") -> None:
        super().__init__(detail, {"WWW-Authenticate": "Bearer"})


class Forbidden(ApiError):
    status = 403


class NotFound(ApiError):
    status = 404


class BodyTooSlow(ApiError):
    status = 408


class Conflict(ApiError):
    status = 409


class TooLarge(ApiError):
    status = 413


class UnsupportedMedia(ApiError):
    status = 415


class Unprocessable(ApiError):
    status = 422


class _Later(ApiError):
    """An answer that tells when to come back."""

    def __init__(self, detail: str, retry_after: float) -> None:
        super().__init__(detail, {"Retry-After": str(max(1, math.ceil(retry_after)))})


class TooManyRequests(_Later):
    status = 429


class Unavailable(_Later):
    status = 503


class StillRunning(_Later):
    status = 504


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


_TOLD: dict[int, str] = {
    400: "The body cannot be read",
    401: "No token, or one that is not accepted",
    403: "The token does not allow this",
    404: "No such thing",
    405: "Another method is meant",
    408: "The body did not arrive in time",
    409: "The state does not allow this",
    413: "Larger than allowed",
    415: "Not a photo in a readable format",
    422: "A parameter, or the photo, was refused",
    429: "Too many requests; Retry-After says when to come back",
    500: "A fault of ours; it is in the logs under the request id",
    503: "Something we depend on does not answer; Retry-After says when to come back",
    504: "Still being worked on; the same request later returns the result",
}
_LATER = {429, 503, 504}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the error answers that a route can give."""
    return {status: _answer(status) for status in statuses}


def _answer(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": {"schema": {"type": "string"}}}
    if status in _LATER:
        headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
    if status == NotAuthenticated.status:
        headers["WWW-Authenticate"] = {"schema": {"type": "string"}}
    model = ValidationErrorBody if status == Unprocessable.status else ErrorBody
    return {"description": _TOLD[status], "model": model, "headers": headers}


def error_response(
    request_id: str,
    status: int,
    detail: object,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = orjson.dumps({"detail": detail, "request_id": request_id}, default=str)
    return Response(body, status, {**(headers or {}), "Cache-Control": "no-store"}, media_type="application/json")


def fault_answer(request_id: str) -> Response:
    return error_response(request_id, 500, "Something went wrong on our side. Report it with this request id.")


def request_id_of(request: Request) -> str:
    return str(request.scope.get("request_id", ""))


def install_error_handlers(app: FastAPI) -> None:
    """Give every error the same body, whoever raised it."""
    app.exception_handler(HTTPException)(_on_http_exception)
    app.exception_handler(RequestValidationError)(_on_validation_error)
    app.exception_handler(DBAPIError)(_on_database_error)
    app.exception_handler(PoolTimeout)(_on_database_error)
    app.exception_handler(psycopg.OperationalError)(_on_database_error)
    app.exception_handler(psycopg.InterfaceError)(_on_database_error)
    app.exception_handler(StorageUnavailable)(_on_storage_error)


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    return error_response(request_id_of(request), error.status_code, error.detail, error.headers)


async def _on_validation_error(request: Request, error: RequestValidationError) -> Response:
    return error_response(request_id_of(request), 422, [_told(item) for item in error.errors()])


def _told(item: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of FastAPI's list, safe to send: long input is cut, what JSON cannot hold becomes text."""
    told: dict[str, Any] = {
        "type": item["type"],
        "loc": [part if isinstance(part, int) else _text(part) for part in item["loc"]],
        "msg": _text(item["msg"]),
    }
    given = item.get("input")
    if given is None or isinstance(given, bool | int):
        told["input"] = given if not isinstance(given, int) or abs(given) < 2**53 else _text(given)
    elif isinstance(given, str | float):
        told["input"] = _text(given)
    return told


def _text(value: object) -> str:
    # Lone surrogates come from percent-encoded bytes; UTF-8 cannot hold them.
    text = str(value)[:MAX_ECHOED_CHARACTERS]
    return text.encode("utf-8", "replace").decode("utf-8")


async def _on_database_error(request: Request, error: Exception) -> Response:
    if isinstance(error, DBAPIError) and not _says_unavailable(error):
        raise error
    log.warning("database_unavailable", error=type(error).__name__, reason=_first_line(error))
    return error_response(
        request_id_of(request),
        503,
        "The database does not answer at the moment.",
        {"Retry-After": str(RETRY_SECONDS)},
    )


async def _on_storage_error(request: Request, error: Exception) -> Response:
    log.warning("storage_unavailable", reason=_first_line(error))
    return error_response(
        request_id_of(request),
        503,
        "The storage of photos does not answer at the moment.",
        {"Retry-After": str(RETRY_SECONDS)},
    )


def _says_unavailable(error: DBAPIError) -> bool:
    """Connection lost, refused or too many (class 08, 53, 57), a statement cut off, or no answer at all."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return type(error.orig).__name__ in {"OperationalError", "InterfaceError", "PoolTimeout", "ConnectionTimeout"}
    return str(state)[:2] in {"08", "53", "57", "58"} or state == "25006"


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).splitlines()[0][:300] if str(error) else ""
