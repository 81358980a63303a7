"""The metrics server: metrics, health and the component's own readiness."""

import urllib.error
import urllib.request

import pytest

from loppestars_core.kit.metrics import Readiness, start_metrics_server


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

    def test_port_in_use(self) -> None:
        """A second server on the port fails at once, instead of serving nothing."""
        server = start_metrics_server("test", "127.0.0.1", 0)
        try:
            with pytest.raises(OSError, match="in use"):
                start_metrics_server("test", "127.0.0.1", server.port)
        finally:
            server.stop()
