"""`api-proxy`: the API's own routes under the address of a function, inside this process."""

from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from loppestars_api.supabase.functions.errors import FunctionRefused

_DIALECTS: Final = ("/auth/v1", "/functions/v1", "/realtime/v1", "/rest/v1", "/storage/v1")
_OF_THE_OUTER_ROUTE: Final = ("endpoint", "error_form", "path_params", "route")


class ProxiedAnswer(Response):
    """The answer of another route of the same application: no other address can be reached by it.

    Args:
        routes: the routes of the application.
        target: path and query, as the client gave them.
        query: further parameters, of the function's own address.
        anonymous: whether the bearer is not a user's token, and is left out.
    """

    def __init__(self, routes: ASGIApp, target: str, query: list[tuple[str, str]], *, anonymous: bool) -> None:
        super().__init__()
        self._routes = routes
        self._anonymous = anonymous
        try:
            parts = urlsplit(target)
        except ValueError:
            raise FunctionRefused(HTTPStatus.BAD_REQUEST, "path must be a path of the API") from None
        self._path = "/" + unquote(parts.path).lstrip("/")
        self._query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *query])
        if parts.scheme or parts.netloc or self._path.startswith(_DIALECTS):
            raise FunctionRefused(HTTPStatus.BAD_REQUEST, "path must be a path of the API, e.g. /markets/today")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {key: value for key, value in scope.items() if key not in _OF_THE_OUTER_ROUTE}
        inner |= {
            "path": self._path,
            "raw_path": quote(self._path).encode(),
            "query_string": self._query.encode(),
            "headers": list(scope["headers"]),
        }
        if self._anonymous:
            del MutableHeaders(scope=inner)["authorization"]
        await self._routes(inner, receive, send)
