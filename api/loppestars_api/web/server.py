"""Connections of the server and what they may cost: how large a head, how long a silence, how many at once.

uvicorn's protocol parses HTTP; this one refuses, before the application is asked, what no client of ours sends. A
connection is in one phase at a time, and each phase but the application's own work has a deadline. One sweep per
second over all connections is cheaper than a timer for each of their requests.
"""

import asyncio
import resource
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import orjson
import structlog
from prometheus_client import Counter, Gauge
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from loppestars_core.kit.logging import new_request_id

log = structlog.get_logger(__name__)

MAX_PATH_BYTES: Final = 2048
MAX_URL_BYTES: Final = 8192
MAX_HEAD_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 100
HEAD_SECONDS: Final = 10.0
# Longer than the 60 s of load balancers: a connection that they believe open must not be closed under them.
KEEP_ALIVE_SECONDS: Final = 75
# A client that reads nothing of its answer for this long is gone, or wants to seem so.
STALLED_SECONDS: Final = 60.0
# A client that is still sending would lose the answer if the connection were closed under it at once.
LINGER_SECONDS: Final = 2.0
SWEEP_SECONDS: Final = 1.0
# Descriptors that are not connections of clients: database, storage, files.
RESERVED_DESCRIPTORS: Final = 256
_LOG_SECONDS: Final = 10.0

CONNECTIONS: Final = Gauge("loppestars_http_connections", "Open connections of clients")
REFUSED: Final = Counter("loppestars_http_connections_refused_total", "Connections ended by us", ["reason"])

_DETAILS: Final = {
    HTTPStatus.BAD_REQUEST: "This is not a valid HTTP request.",
    HTTPStatus.REQUEST_TIMEOUT: f"The head of the request did not arrive within {HEAD_SECONDS:g} seconds.",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"The path may have {MAX_PATH_BYTES} bytes, path and query {MAX_URL_BYTES}.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (
        f"The head of a request may have {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes."
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many connections are open at the moment.",
}


class Phase(Enum):
    """What a connection waits for; the value is the reason in metrics when it waits too long."""

    HEAD = "head_too_slow"
    APPLICATION = "application"
    REST_OF_BODY = "body_too_slow"
    NEXT_REQUEST = "idle"
    READER = "reader_stalled"
    REFUSED = "refused"


_SECONDS: Final = {
    Phase.HEAD: HEAD_SECONDS,
    Phase.REST_OF_BODY: HEAD_SECONDS,
    Phase.NEXT_REQUEST: float(KEEP_ALIVE_SECONDS),
    Phase.READER: STALLED_SECONDS,
    Phase.REFUSED: LINGER_SECONDS,
}

_MAKING_ROOM: Final = frozenset({Phase.HEAD, Phase.NEXT_REQUEST, Phase.REFUSED})


class Connections:
    """All connections of a server, `max_open` at most; beyond it the one that has been waiting longest goes."""

    def __init__(self, max_open: int, clock: Callable[[], float] = monotonic) -> None:
        self._max_open = max_open
        self._clock = clock
        self._open: dict[BoundedProtocol, tuple[Phase, float]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._logged: dict[str, float] = {}
        CONNECTIONS.set_function(lambda: len(self._open))

    def protocol(self, **arguments: Any) -> "BoundedProtocol":  # noqa: ANN401 - uvicorn's arguments are handed on
        """Return the protocol of a new connection."""
        return BoundedProtocol(self, **arguments)

    def admit(self, connection: "BoundedProtocol") -> bool:
        """Take a new connection in; False when no place can be made for it."""
        if len(self._open) >= self._max_open and not self._make_room():
            self.count("too_many_connections")
            return False
        self.enter(connection, Phase.HEAD)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._close_late)
        return True

    def enter(self, connection: "BoundedProtocol", phase: Phase) -> None:
        """Note that `connection` is in `phase` from now on."""
        # Entries stay in the order in which their phase began.
        self._open.pop(connection, None)
        self._open[connection] = (phase, self._clock())

    def leave(self, connection: "BoundedProtocol") -> None:
        """Forget a connection that is closed."""
        self._open.pop(connection, None)

    def count(self, reason: str) -> None:
        """Count a connection that we end, and log the first of each kind in a while."""
        REFUSED.labels(reason).inc()
        now = self._clock()
        if now - self._logged.get(reason, float("-inf")) >= _LOG_SECONDS:
            self._logged[reason] = now
            log.warning("connection_refused", reason=reason, open=len(self._open))

    def _make_room(self) -> bool:
        waiting = (found for found, (phase, _) in self._open.items() if phase in _MAKING_ROOM)
        longest = next(waiting, None)
        if longest is None:
            return False
        self.count("made_room")
        self.leave(longest)
        longest.transport.abort()
        return True

    def _close_late(self) -> None:
        now = self._clock()
        late = [
            (connection, phase)
            for connection, (phase, since) in self._open.items()
            if now - since > _SECONDS.get(phase, float("inf"))
        ]
        for connection, phase in late:
            self.leave(connection)
            if phase not in {Phase.NEXT_REQUEST, Phase.REFUSED}:
                self.count(phase.value)
            connection.give_up()
        again = bool(self._open)
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._close_late) if again else None


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within the bounds of `connections`."""

    def __init__(self, connections: Connections, **arguments: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(**arguments)
        self._bounds = connections
        self._refusal = HTTPStatus.BAD_REQUEST
        self._in_head = True
        self._refused = False
        self._receiving = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection in, or answer 503."""
        super().connection_made(transport)
        if not self._bounds.admit(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._bounds.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that grows beyond its bound without an end."""
        if self._refused or self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self._refused:
            self._count_and_refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Start the clock of a head."""
        super().on_message_begin()
        self._in_head, self._receiving = True, True
        self._bounds.enter(self, Phase.HEAD)

    def on_url(self, url: bytes) -> None:
        """Bound path and query."""
        super().on_url(url)
        path = self.url.find(b"?")
        if len(self.url) > MAX_URL_BYTES or (len(self.url) if path < 0 else path) > MAX_PATH_BYTES:
            self._stop(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound the headers."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in self.headers) > (
            MAX_HEAD_BYTES
        ):
            self._stop(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Hand over to the application, which bounds the body itself."""
        self._in_head, self._head_bytes = False, 0
        self._bounds.enter(self, Phase.APPLICATION)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next request when this one has been answered before its body had arrived."""
        super().on_message_complete()
        self._receiving = False
        if self.cycle.response_complete:
            self._bounds.enter(self, Phase.NEXT_REQUEST)

    def on_response_complete(self) -> None:
        """Wait for the rest of the body, or for the next request."""
        super().on_response_complete()
        if not self.transport.is_closing() and not self.pipeline:
            self._bounds.enter(self, Phase.REST_OF_BODY if self._receiving else Phase.NEXT_REQUEST)

    def pause_writing(self) -> None:
        """Start the clock of a client that does not read."""
        super().pause_writing()
        self._bounds.enter(self, Phase.READER)

    def resume_writing(self) -> None:
        """Stop that clock."""
        super().resume_writing()
        self._bounds.enter(self, Phase.APPLICATION)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own text
        """Answer what the parser refused, in the form of our errors."""
        self._count_and_refuse(self._refusal)

    def give_up(self) -> None:
        """End the connection: with an answer where a head was begun, at once where an answer was."""
        if self._in_head and self._head_bytes and not self._answering and not self._refused:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self._answering:
            self.transport.abort()
        else:
            self.transport.close()

    @property
    def _answering(self) -> bool:
        """Whether an earlier request on this connection has no complete answer yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def _stop(self, status: HTTPStatus) -> None:
        # The parser turns whatever a callback raises into an error of its own, and `send_400_response` is asked.
        self._refusal = status
        raise ValueError(status.phrase)

    def _count_and_refuse(self, status: HTTPStatus) -> None:
        self._bounds.count(status.phrase.lower().replace(" ", "_").replace("-", "_"))
        self._refuse(status)

    def _refuse(self, status: HTTPStatus) -> None:
        if self._answering:  # in the middle of another answer
            self.transport.close()
            return
        request_id = new_request_id()
        body = orjson.dumps({"detail": _DETAILS[status], "request_id": request_id})
        retry = "retry-after: 5\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\n"
            f"x-content-type-options: nosniff\r\nx-request-id: {request_id}\r\n"
            f"{retry}connection: close\r\n\r\n".encode()
        )
        self.transport.write(body)
        self._refused = True
        self.transport.write_eof()
        self._bounds.enter(self, Phase.REFUSED)


def max_connections(wanted: int) -> int:
    """Return how many connections there may be: as many as wanted, and as descriptors allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    allowed = wanted if soft == resource.RLIM_INFINITY else min(wanted, soft - RESERVED_DESCRIPTORS)
    return max(16, allowed)
