"""A real S3 server (versitygw) on a free loopback port, with its data in a temporary directory."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.factories.required import leave_out
from tools.cluster import tools
from tools.cluster.errors import MissingBinaries
from tools.cluster.processes import Child, wait_until


@dataclass(frozen=True)
class S3Server:
    """What a client needs. Path-style addressing, signature v4."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


@contextmanager
def running_s3_server(directory: Path) -> Iterator[S3Server]:
    """Run versitygw on `directory`; the test is left out, with the reason, where it has not been built (needs Go)."""
    try:
        program = tools.find(["versitygw"])["versitygw"]
    except MissingBinaries as missing:
        leave_out(f"needs a real S3 server: {missing}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    objects, metadata = directory / "objects", directory / "metadata"
    for each in (objects, metadata):
        each.mkdir(parents=True)
    server = S3Server(f"http://127.0.0.1:{port}", "test-access-key", "test-secret-key")
    command: list[str | Path] = [
        program, "--port", f"127.0.0.1:{port}", "--health", "/health", "--quiet",
        "--access", server.access_key_id, "--secret", server.secret_access_key, "--region", server.region,
        "posix", "--sidecar", metadata, objects,
    ]  # fmt: skip
    child = Child("versitygw", command, directory / "versitygw.log")
    try:
        wait_until(lambda: _answers(child, server), "versitygw", timeout=20)
        yield server
    finally:
        child.stop()


def _answers(child: Child, server: S3Server) -> bool:
    child.require_alive()
    try:
        with urllib.request.urlopen(f"{server.endpoint_url}/health", timeout=2) as answer:
            return bool(answer.status == http.HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
