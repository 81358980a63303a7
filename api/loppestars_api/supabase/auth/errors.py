"""Errors as clients of GoTrue read them, and which of them a phone must never see."""

from http import HTTPStatus
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loppestars_api.access.own_tokens import ISSUER_PATH
from loppestars_api.web.errors import RETRY_SECONDS

# Without this version a client ignores `code`.
VERSION_HEADER: Final = "X-Supabase-Api-Version"
API_VERSION: Final = "2024-01-01"
TOKEN_PATH: Final = f"{ISSUER_PATH}/token"
_CODES: Final = {
    HTTPStatus.BAD_REQUEST: "validation_failed",
    HTTPStatus.UNAUTHORIZED: "no_authorization",
    HTTPStatus.UNPROCESSABLE_ENTITY: "validation_failed",
    HTTPStatus.TOO_MANY_REQUESTS: "over_request_rate_limit",
    HTTPStatus.SERVICE_UNAVAILABLE: "request_timeout",
    HTTPStatus.GATEWAY_TIMEOUT: "request_timeout",
}
# What is said of keys and tokens on all prefixes, as GoTrue says it.
_OF_OTHERS: Final = {"PGRST301": "bad_jwt", "PGRST302": "no_authorization", "PGRST303": "bad_jwt"}
# What says something about the request itself. After any other answer but a 503 a client deletes its session.
_DECIDED: Final = frozenset(
    {
        *(HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED),
        *(HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        *(HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT),
    }
)


def auth_form(error: HTTPException, request_id: str) -> object:  # noqa: ARG001 - it is in a header
    """Return the body of an error as GoTrue's clients read it."""
    status = HTTPStatus(error.status_code)
    code = str(getattr(error, "code", None) or _CODES.get(status, status.name.lower()))
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        code = "unexpected_failure"
    message = error.detail if isinstance(error.detail, str) else "The request was refused."
    return {"code": _OF_OTHERS.get(code, code), "message": message}


class SignInMiddleware:
    """Outermost on `/auth/v1`: every answer has the version, and whatever goes wrong with a refresh is a 503.

    The released app deletes its session after any answer of `/token` except 502, 503 and 504: a limit that is reached
    or a fault of ours would sign people out.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{ISSUER_PATH}/"):
            await self._app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[VERSION_HEADER] = API_VERSION
                if scope["path"] == TOKEN_PATH and message["status"] not in _DECIDED:
                    message["status"] = HTTPStatus.SERVICE_UNAVAILABLE.value
                    headers.setdefault("Retry-After", str(RETRY_SECONDS))
            await send(message)

        await self._app(scope, receive, send_on)
