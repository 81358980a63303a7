"""The real process: its ports, signals, exit codes and what it does with 60 megabytes."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from loppestars_api.main import main
from loppestars_core.storage.links import signed_link
from tests.factories.forked import ForkedProcess
from tests.factories.running_api import COMMAND, RunningApi

Start = Callable[..., RunningApi]


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Return once something holds; fail when it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_refused(api: RunningApi) -> bool:
    """Whether a new client is turned away."""
    try:
        httpx.get(f"{api.url}/health")
    except httpx.TransportError:
        return True
    return False


class TestCommand:
    def test_help_names_every_variable(self) -> None:
        """`--help` is the reference of the environment."""
        told = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
        for name in ("DATABASE_URL", "JWT_SECRET", "TRUSTED_PROXIES", "PORT", "METRICS_PORT", "CORS_ORIGINS"):
            assert name in told

    @pytest.mark.parametrize(
        ("name", "value"),
        [("PORT", "eighty"), ("TRUSTED_PROXIES", "10.0.0.0/99"), ("JWT_SECRET", "short"), ("MAX_PHOTO_BYTES", "-1")],
    )
    def test_a_wrong_variable_is_named(self, tmp_path: Path, name: str, value: str) -> None:
        """Exit code 2 and one line; the value of a secret is not in it."""
        environment = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://u@h/d", name: value}
        process = ForkedProcess(main, tmp_path / "output", ["loppestars-api"], environment)
        assert process.wait(60) == 2
        (line,) = (tmp_path / "output").read_text().splitlines()
        assert name in line
        assert "short" not in line

    def test_a_port_in_use_is_one_sentence(self, database_url: str) -> None:
        """Exit code 1, and what to do next."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "PORT": port}
            done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        lines = done.stdout.splitlines()
        assert len(lines) == 1
        assert "PORT" in json.loads(lines[0])["next_step"]


class TestServing:
    def test_both_families(self, start: Start) -> None:
        """`::` takes requests of both, on each port."""
        api = start(HOST="::", METRICS_HOST="::")
        for peer in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{peer}:{api.port}/health").status_code == 200
            assert httpx.get(f"http://{peer}:{api.metrics_port}/health").status_code == 200

    def test_metrics_have_a_port_of_their_own(self, start: Start) -> None:
        """Route templates and no ids; nothing of it on the public port."""
        api = start()
        httpx.get(f"{api.url}/markets/no-such-market")
        httpx.get(f"{api.url}/nowhere/else")
        metrics = httpx.get(f"http://127.0.0.1:{api.metrics_port}/metrics").text
        assert 'loppestars_http_requests_total{method="GET",route="/markets/{market_id}",status="404"} 1.0' in metrics
        assert 'route="unmatched",status="404"' in metrics
        assert "no-such-market" not in metrics
        assert 'loppestars_database_pool_connections{state="in_use"}' in metrics
        assert "loppestars_http_request_duration_seconds_bucket" in metrics
        assert httpx.get(f"{api.url}/metrics").status_code == 404

    def test_each_request_is_a_log_line(self, start: Start) -> None:
        """JSON with the id that was answered; probes are not logged, tokens never."""
        api = start()
        answer = httpx.get(f"{api.url}/markets/nowhere", headers={"Authorization": "Bearer secret-token"})
        httpx.get(f"{api.url}/health")
        time.sleep(0.1)
        requests = [line for line in api.log() if line["event"] == "request"]
        assert [(line["route"], line["status"]) for line in requests] == [("/markets/{market_id}", 404)]
        assert requests[0]["request_id"] == answer.headers["x-request-id"]
        assert "secret-token" not in json.dumps(api.log())

    def test_sixty_megabytes_are_refused_without_keeping_them(self, start: Start) -> None:
        """With and without a length: 413, and the memory of the process hardly grows."""
        api = start(MAX_PHOTO_BYTES=str(50 * 1024 * 1024))
        httpx.post(f"{api.url}/process-face", files={"file": b""})
        before = api.memory()

        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\n\r\n'

        def stream() -> Iterator[bytes]:
            yield head
            for _ in range(60):
                yield b"x" * 1024 * 1024

        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        for more in ({}, {"Content-Length": str(60 * 1024 * 1024 + len(head))}):
            answer = httpx.post(f"{api.url}/process-face", content=stream(), headers={**headers, **more}, timeout=30)
            assert answer.status_code == 413, answer.text
        assert api.memory() - before < 20 * 1024 * 1024
        assert httpx.get(f"{api.url}/health").status_code == 200

    def test_slow_readers_of_large_photos_cost_little(self, start: Start, tmp_path: Path) -> None:
        """Forty clients that ask for forty megabytes each and read none: the process holds a few chunks of each."""
        photo = tmp_path / "storage" / "stall-photos-processed" / "u1" / "1.jpg"
        photo.parent.mkdir(parents=True)
        photo.write_bytes(b"\xff\xd8\xff" + bytes(40 * 1024 * 1024))
        api = start(SIGNING_SECRET="signs", RATE_LIMIT_LISTS_PER_MINUTE="1000")
        path = signed_link("", "stall-photos-processed", "u1/1.jpg", timedelta(minutes=5), b"signs")
        httpx.get(f"{api.url}/markets/today")
        before = api.memory()
        with ExitStack() as stack:
            for _ in range(40):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", api.port)))
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
                assert connection.recv(12) == b"HTTP/1.1 200"
            assert api.memory() - before < 80 * 1024 * 1024
            assert httpx.get(f"{api.url}/health").status_code == 200
        answer = httpx.get(f"{api.url}{path}")
        assert answer.content == photo.read_bytes()
        assert answer.headers["content-length"] == str(photo.stat().st_size)

    def test_sigterm_answers_what_is_in_flight(self, start: Start, tmp_path: Path, database_url: str) -> None:
        """The waiting photo request gets its answer (nobody works on photos here), new ones none; exit code 0."""
        api = start(PHOTO_WAIT_SECONDS="2")
        original = tmp_path / "storage" / "stall-photos" / "user-1" / "1.jpg"
        original.parent.mkdir(parents=True)
        original.write_bytes(b"x")
        body = json.dumps({"imagePath": "user-1/1.jpg", "userId": "user-1"}).encode()
        with socket.create_connection(("127.0.0.1", api.port)) as connection:
            head = f"POST /process HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            connection.sendall(head.encode() + b"\r\n\r\n" + body)
            with psycopg.connect(database_url, autocommit=True) as database:
                wait_until(lambda: database.execute("SELECT count(*) FROM photos").fetchone() == (1,))
            api.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_refused(api))
            answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: " in answer
        assert api.process.wait(10) == 0
        assert api.log()[-1]["event"] == "stopped"

    def test_it_starts_without_its_database(self, start: Start) -> None:
        """Health is fine, readiness names the database: the cluster waits instead of restarting it for ever."""
        api = start(DATABASE_URL="postgresql://nobody:secret@127.0.0.1:1/nowhere")
        assert httpx.get(f"{api.url}/health").status_code == 200
        answer = httpx.get(f"{api.url}/ready", timeout=10)
        assert answer.status_code == 503
        assert answer.json()["checks"]["database"] != "ok"
        assert "secret" not in json.dumps(api.log())
