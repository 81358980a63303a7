"""The provider on a port of loopback."""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_local.openid.provider import LocalProvider
from loppestars_local.ports import LOOPBACK

_MAX_BODY_BYTES: Final = 64 * 1024


class ProviderServer:
    """A provider served in threads of its own. `OSError` where the port is in use."""

    def __init__(self, provider: LocalProvider, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"provider": provider})
        self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        self.provider = provider
        provider.issuer = self.url

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    provider: LocalProvider
    protocol_version = "HTTP/1.1"
    server_version = "LoppestarsLocalProvider"
    # An idle client must not hold a thread.
    timeout = 30

    def do_GET(self) -> None:
        size = min(int(self.headers.get("Content-Length") or 0), _MAX_BODY_BYTES)
        reply = type(self).provider.respond(self.command, self.path, self.rfile.read(size))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing: addresses hold codes."""


def serve_provider(port: int, secret: str, redirects: frozenset[str]) -> int:
    """Serve until interrupted; the first line on stdout says where. Return the exit code."""
    try:
        server = ProviderServer(LocalProvider(secret, redirects), port)
    except OSError as error:
        sys.stderr.write(f"port {port} cannot be used ({error.strerror}): take another, or 0 for a free one\n")
        return ExitCode.USAGE
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        sys.stdout.write(f"The provider of this machine is ready at {server.url}\n")
        sys.stdout.flush()
        stop.wait()
    return ExitCode.DONE
