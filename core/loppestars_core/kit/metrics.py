"""Prometheus metrics on a port of their own, with health and readiness beside them.

Each component declares its metrics beside the code that counts. This module serves them: `/metrics`, `/health`
(the process runs) and `/ready` (the component's own check). The port is never routed to clients.
"""

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Final, NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest

ANY_IPV4: Final = "0.0.0.0"  # noqa: S104 - a pod's own address
# Scrapers and probes are few; each connection is a thread.
MAX_CONNECTIONS: Final = 32
BUILD_INFO: Final = Gauge(
    "loppestars_build_info", "Version of the running component, always 1", ["component", "version"]
)


# What `socketserver` hands its servers; those of TCP get a socket.
_Request = socket.socket | tuple[bytes, socket.socket]


class Readiness(NamedTuple):
    """Whether a component can do its work now, and if not, why."""

    ready: bool
    reason: str = "ready"


def always_ready() -> Readiness:
    return Readiness(ready=True)


class MetricsServer:
    """A small HTTP server in a daemon thread; `port` is the one it really listens on."""

    def __init__(
        self,
        host: str,
        port: int,
        readiness: Callable[[], Readiness] = always_ready,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        handler = type("Handler", (_Handler,), {"readiness": staticmethod(readiness), "registry": registry})
        self._server = _listen(host, port, handler)
        self.host = host
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_metrics_server(
    component: str,
    host: str,
    port: int,
    readiness: Callable[[], Readiness] = always_ready,
) -> MetricsServer:
    """Serve the default registry; `readiness` is asked at each GET of `/ready` and must answer quickly."""
    BUILD_INFO.labels(component, version("loppestars")).set(1)
    server = MetricsServer(host, port, readiness)
    server.start()
    return server


def _listen(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Return a server; `::` takes IPv4 too, and falls back to it where the kernel has no IPv6."""
    if host != "::":
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return _Server.of_family(family)((host, port), handler)
    try:
        return _Server.of_family(socket.AF_INET6)((host, port), handler)
    except OSError:
        return _Server((ANY_IPV4, port), handler)


class _Server(ThreadingHTTPServer):
    """Threads up to a number; a connection beyond it is closed at once."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: _Request, client_address: object) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: _Request, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    @classmethod
    def of_family(cls, family: socket.AddressFamily) -> type["_Server"]:
        """Return a class of servers that listen in one address family."""
        return type("_Server", (cls,), {"address_family": family})

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Handler(BaseHTTPRequestHandler):
    readiness: Callable[[], Readiness]
    registry: CollectorRegistry
    # A peer that sends nothing must not hold a thread for ever.
    timeout = 10

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, generate_latest(self.registry), CONTENT_TYPE_LATEST)
        elif path == "/health":
            self._answer(200, b"healthy\n")
        elif path == "/ready":
            state = type(self).readiness()
            self._answer(200 if state.ready else 503, f"{state.reason}\n".encode())
        else:
            self._answer(404, b"try /metrics, /health or /ready\n")

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Scrapes are not logged: they come every few seconds for ever."""
