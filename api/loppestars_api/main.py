"""Entry point of `loppestars-api`: one process that serves the API on one port and its metrics on another."""

import signal
import socket
from collections.abc import Sequence
from typing import Final

import structlog
import uvicorn

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_api.web.server import KEEP_ALIVE_SECONDS, Connections, max_connections
from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.cli import Version, epilog, run, single
from loppestars_core.kit.logging import configure_logging
from loppestars_core.kit.metrics import ANY_IPV4, start_metrics_server
from loppestars_core.kit.settings import describe, load_settings

log = structlog.get_logger(__name__)

BACKLOG: Final = 2048

command = single(
    "loppestars-api",
    "Serve the Loppestars API. SIGTERM ends it after the requests in flight are answered.",
    epilog=epilog(describe(ApiSettings)),
)


@command.command()
def serve_command(*, version: Version = False) -> None:  # noqa: ARG001 - its callback prints the version
    """Serve the Loppestars API. SIGTERM ends it after the requests in flight are answered."""
    settings = load_settings(ApiSettings)
    configure_logging("api", settings.log_level)
    raise SystemExit(serve(settings))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the environment and serve until SIGTERM or SIGINT; exit with 0 after a clean end, 1 when a port is taken."""
    run(command, arguments)


def serve(settings: ApiSettings) -> ExitCode:
    """Serve until a signal; the ports that were taken are logged with the event `listening`."""
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as error:
        return _port_taken("PORT", settings.host, settings.port, error)
    with listener:
        try:
            metrics = start_metrics_server("api", settings.metrics_host, settings.metrics_port)
        except OSError as error:
            return _port_taken("METRICS_PORT", settings.metrics_host, settings.metrics_port, error)
        log.info("listening", host=settings.host, port=listener.getsockname()[1], metrics_port=metrics.port)
        try:
            _run(settings, listener)
        finally:
            metrics.stop()
    log.info("stopped")
    return ExitCode.DONE


def _run(settings: ApiSettings, listener: socket.socket) -> None:
    connections = Connections(max_connections(settings.max_connections))
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            http=connections.protocol,  # type: ignore[arg-type]
            loop="uvloop",
            ws="none",
            lifespan="on",
            backlog=BACKLOG,
            log_config=None,
            access_log=False,
            server_header=False,
            # Which proxies are trusted is decided per request, by `limits.client_address`.
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.drain_seconds,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # For a signal before uvicorn listens for it, and for the one that uvicorn raises again when it has drained.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; `::` takes IPv4 too, and falls back to it where the kernel has no IPv6."""
    if host == "::" and not socket.has_dualstack_ipv6():
        host = ANY_IPV4
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=host == "::")


def _port_taken(setting: str, host: str, port: int, error: OSError) -> ExitCode:
    log.error(
        "port_not_available",
        host=host,
        port=port,
        reason=error.strerror,
        next_step=f"free the port, or set {setting} to another (0 takes a free one)",
    )
    return ExitCode.FAILED
