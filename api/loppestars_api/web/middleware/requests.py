"""What every request gets, in one pass of plain ASGI: an id, HEAD, a metric, a log line, an answer to a fault.

Each layer of middleware costs every request; these belong together because all of them need the start of the
answer and its end.
"""

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import orjson
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, get_contextvars

from loppestars_api.web.errors import ErrorForm, answer_fault
from loppestars_api.web.headers import header
from loppestars_api.web.metrics import IN_FLIGHT, UNMATCHED, RequestMeter
from loppestars_core.kit.logging import accept_request_id, redact_text

log = structlog.get_logger(__name__)

# Probes come every few seconds; a line for each would bury everything else.
MAX_LOGGED_PATH: Final = 512
_SECURE: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
# What is not a page of ours loads nothing and is shown in no frame.
_LOCKED: Final = (*_SECURE, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
# The folder in a bucket is its owner's id; the code of a request to be forgotten is a secret.
_PRIVATE: Final = re.compile(
    r"^(/storage/v1/object/(?:public/|upload/|sign/|authenticated/|info/)*[^/]+/|/privacy/requests/)[^/]+"
)
QUIET_PATHS: Final = frozenset({"/health", "/serving", "/ready"})


class RequestMiddleware:
    """Outermost layer of Starlette's stack; puts `request_id` and `error_form` into the scope.

    Args:
        forms: the error form of paths that start with a prefix, for dialects that are not our own.
        faults: answers where the layers inside failed.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access_log: bool = True,
        forms: Mapping[str, ErrorForm] | None = None,
        faults: ASGIApp = answer_fault,
    ) -> None:
        self._app = app
        self._faults = faults
        self._access_log = access_log
        self._forms = dict(forms or {})
        self._meter = RequestMeter()
        # A plain number that is read at each scrape: a gauge takes a lock at each step.
        IN_FLIGHT.set_function(lambda: self._meter.in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        method: str = scope["method"]
        request_id = accept_request_id(header(scope, b"x-request-id"))
        # A HEAD is answered by the route of its GET, less the body, which a route may spare itself.
        inner = scope if method != "HEAD" else {**scope, "method": "GET", "head_only": True}
        inner["request_id"] = request_id
        for prefix, form in self._forms.items():
            if scope["path"].startswith(prefix):
                inner["error_form"] = form
        bind_contextvars(request_id=request_id)
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                secure = _SECURE if any(name == b"content-security-policy" for name, _ in given) else _LOCKED
                message["headers"] = [*given, *secure, (b"x-request-id", request_id.encode("ascii"))]
            elif method == "HEAD" and message.get("body"):
                message = {**message, "body": b""}
            await send(message)

        self._meter.in_flight += 1
        try:
            await self._app(inner, receive, send_on)
        except ClientDisconnect:
            pass  # there is no client left to answer
        except Exception:
            # An answer that has begun cannot be taken back: the server cuts the connection.
            log.exception("fault", path=logged_path(scope["path"]))
            if status:
                raise
            await self._faults(inner, receive, send_on)
        finally:
            self._meter.in_flight -= 1
            self._record(inner, method, status, perf_counter() - started)

    def _record(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        template = str(scope.get("route_template") or getattr(scope.get("route"), "path", UNMATCHED))
        # 499 is what proxies call a client that left before its answer.
        self._meter.observe(template, method, status or 499, seconds)
        if self._access_log and template not in QUIET_PATHS:
            write_access_line(
                method=method,
                route=template,
                path=scope["path"],
                status=status or 499,
                milliseconds=round(seconds * 1000, 1),
            )


def write_access_line(**fields: str | float) -> None:
    """Write one line like structlog's in a tenth of its time, because every request pays for it.

    What the context carries (request id, user id) was made or checked by us; the path came from outside.
    """
    line = {
        **get_contextvars(),
        **fields,
        "path": logged_path(str(fields["path"])),
        "event": "request",
        "level": "info",
        "component": "api",
        "time": datetime.now(UTC),
    }
    sys.stdout.write(orjson.dumps(line, option=orjson.OPT_UTC_Z, default=str).decode() + "\n")
    sys.stdout.flush()


def logged_path(path: str) -> str:
    """Return a path as logs show it: short, without secrets, and without the owner of a stored object or a code."""
    return redact_text(_PRIVATE.sub(r"\1…", path[:MAX_LOGGED_PATH]))
