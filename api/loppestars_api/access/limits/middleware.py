"""The general limit for every request, also for those that no route answers."""

from collections.abc import Callable
from typing import Final, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from loppestars_api.access.limits.client_address import ClientAddresses
from loppestars_api.access.limits.requests import RequestLimiter
from loppestars_api.web.errors import TooManyRequests, error_answer

# Probes of the cluster: they come from the address of a node, which clients may share.
UNLIMITED_PATHS: Final = frozenset({"/health", "/serving", "/ready"})


class _Limits(Protocol):
    @property
    def requests(self) -> RequestLimiter: ...

    @property
    def addresses(self) -> ClientAddresses: ...


class RequestLimitMiddleware:
    """Counts each request by its client's address. `limits` is asked per request: it exists once the API runs."""

    def __init__(self, app: ASGIApp, limits: Callable[[], _Limits | None]) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 429 beyond the limit, else hand the request on."""
        limits = self._limits()
        if scope["type"] == "http" and limits is not None and scope["path"] not in UNLIMITED_PATHS:
            try:
                await limits.requests.take(limits.addresses.key_of(scope))
            except TooManyRequests as refusal:
                await error_answer(scope, refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)
