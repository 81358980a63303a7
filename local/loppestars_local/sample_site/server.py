"""The sample site on a port. It listens on loopback by default: its markets are made up."""

import signal
import sys
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Protocol, Self

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.clock import today_in_denmark
from loppestars_local.sample_site import json_ld
from loppestars_local.sample_site.site import Answer, SampleSite

LOOPBACK: Final = "127.0.0.1"


class Site(Protocol):
    """Whatever answers requests; tests put a site with faults here."""

    def respond(self, target: str, headers: dict[str, str]) -> Answer:
        """Answer a GET."""


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that went away is not a fault of the site."""


class SampleServer:
    """A site served in threads of its own; `url` is where it really listens."""

    def __init__(self, site: Site, port: int = 0, host: str = LOOPBACK) -> None:
        """Bind `port` of the address `host`; 0 takes a free one.

        Raises:
            OSError: the port is in use, or the address is not this machine's.
        """
        handler = type("Handler", (_Handler,), {"site": site})
        self.server = _QuietServer((host, port), handler)
        self.url = f"http://{host}:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"
    server_version = "LoppestarsSampleSite"
    # An idle client must not hold a thread.
    timeout = 30

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = type(self).site.respond(self.path, headers)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing: the crawler's log shows the requests."""


def serve(port: int, day: date | None, host: str = LOOPBACK) -> int:
    """Serve until interrupted; the first line on stdout says where. Returns the exit code."""
    today = today_in_denmark if day is None else lambda: day
    try:
        server = SampleServer(SampleSite(today), port, host)
    except OSError as error:
        sys.stderr.write(
            f"port {port} of {host} cannot be used ({error.strerror}): take another, or 0 for a free one\n"
        )
        return ExitCode.USAGE
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        sys.stdout.write(
            f"Sample site is ready at {server.url}\n"
            f"MARKEDSKALENDEREN_URL={server.url}\nLOPPEMARKEDER_URL={server.url}\n"
            f'JSONLD_SOURCES={{"torvet": ["{server.url}{json_ld.LIST_PATH}"]}}\n',
        )
        sys.stdout.flush()
        stop.wait()
    return ExitCode.DONE
