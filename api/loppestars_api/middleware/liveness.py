"""Answers `/health` before anything that could be busy, slow or broken is asked.

The mobile app's splash screen and the cluster's liveness probe wait for exactly this. It depends on nothing but the
event loop: no route, no database, no rate limit.
"""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/health"
BODY: Final = {"status": "healthy", "service": "loppestars"}
_START: Final = {
    "type": "http.response.start",
    "status": 200,
}
_PAYLOAD: Final = b'{"status":"healthy","service":"loppestars"}'
_HEADERS: Final = [
    (b"content-length", str(len(_PAYLOAD)).encode()),
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
]


class LivenessMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        scope["route_template"] = PATH
        await send({**_START, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _PAYLOAD})
