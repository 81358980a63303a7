"""The metrics server: metrics, health and the component's own readiness."""

import socket
import time
import urllib.error
import urllib.request

import pytest

from loppestars_core.kit.metrics import MAX_CONNECTIONS, MetricsServer, Readiness, start_metrics_server
from loppestars_local.ports import answers


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class TestServer:
    def test_paths(self) -> None:
        """Metrics hold the version; health is always fine; readiness is asked anew each time; others are 404."""
        states = iter([Readiness(ready=False, reason="no model"), Readiness(ready=True)])
        server = start_metrics_server("test", "127.0.0.1", 0, lambda: next(states))
        try:
            status, body = get(server.port, "/metrics")
            assert status == 200
            assert 'loppestars_build_info{component="test",version=' in body
            assert get(server.port, "/health") == (200, "healthy\n")
            assert get(server.port, "/ready") == (503, "no model\n")
            assert get(server.port, "/ready") == (200, "ready\n")
            assert get(server.port, "/other")[0] == 404
        finally:
            server.stop()

    @pytest.mark.parametrize("peer", ["127.0.0.1", "[::1]"])
    def test_both_families(self, peer: str) -> None:
        """`::` takes requests of both."""
        server = start_metrics_server("test", "::", 0)
        try:
            assert get(server.port, "/health", peer) == (200, "healthy\n")
        finally:
            server.stop()

    def test_connections_are_bounded(self) -> None:
        """Silent peers take no thread beyond the bound; when they are gone the server answers again."""
        server = MetricsServer("127.0.0.1", 0)
        server.start()
        try:
            silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(MAX_CONNECTIONS)]
            url = f"http://127.0.0.1:{server.port}/health"
            deadline = time.monotonic() + 10
            while answers(url):
                assert time.monotonic() < deadline
            for connection in silent:
                connection.close()
            while not answers(url):
                assert time.monotonic() < deadline
        finally:
            server.stop()

    def test_port_in_use(self) -> None:
        """A second server on the port fails at once, instead of serving nothing."""
        server = start_metrics_server("test", "127.0.0.1", 0)
        try:
            with pytest.raises(OSError, match="in use"):
                start_metrics_server("test", "127.0.0.1", server.port)
        finally:
            server.stop()
