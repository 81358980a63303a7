"""Answers `/health` before anything that could be busy, slow or broken is asked.

The mobile app's splash screen and the cluster's liveness probe wait for exactly this. It depends on nothing but the
event loop: no layer, no route, no database, no rate limit.
"""

from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from loppestars_api.web.metrics import RequestMeter
from loppestars_core.kit.logging import accept_request_id

PATH: Final = "/health"
BODY: Final = {"status": "healthy", "service": "loppestars"}
_PAYLOAD: Final = b'{"status":"healthy","service":"loppestars"}'
_HEADERS: Final = (
    (b"content-length", str(len(_PAYLOAD)).encode()),
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
)
_ANSWER: Final = {"type": "http.response.body", "body": _PAYLOAD}
_NO_BODY: Final = {"type": "http.response.body", "body": b""}


class LivenessMiddleware:
    """Answers before all other layers. Other methods, and browsers (which need CORS), are left to them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._meter = RequestMeter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        candidate = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                candidate = value.decode("latin-1")
            elif name == b"origin":
                await self._app(scope, receive, send)
                return
        request_id = accept_request_id(candidate).encode("ascii")
        await send(
            {"type": "http.response.start", "status": 200, "headers": [*_HEADERS, (b"x-request-id", request_id)]}
        )
        await send(_ANSWER if scope["method"] == "GET" else _NO_BODY)
        self._meter.observe(PATH, scope["method"], 200, perf_counter() - started)
