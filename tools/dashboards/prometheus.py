"""A Prometheus of our own with samples of the past, and its answers (Debian's package prometheus).

https://prometheus.io/docs/prometheus/latest/storage/#backfilling-from-openmetrics-format
"""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_START_SECONDS: Final = 60


class PrometheusMissing(RuntimeError):
    """The programs are not installed, or the server does not start; the message says which."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series of an answer: its labels, and (time, value) pairs."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that answers at `url`."""

    url: str

    def lines(self, query: str, start: int, end: int, step: int) -> list[Line]:
        """Return what the query gives between two times; raise `urllib.error.HTTPError` for one that is wrong."""
        words = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
        with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{words}", timeout=30) as answer:  # noqa: S310 - loopback
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return [
            Line(each["metric"], tuple((float(at), float(value)) for at, value in each["values"] if value != "NaN"))
            for each in found
        ]


@contextmanager
def serving(samples: str, folder: Path, port: int) -> Iterator[Prometheus]:
    """Run a Prometheus that holds `samples` (OpenMetrics) on a port of loopback."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            raise PrometheusMissing(f"{program} is missing: install Debian's package prometheus")
    (folder / "samples.txt").write_text(samples)
    (folder / "empty.yaml").write_text("")
    backfill = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", "samples.txt", "data"]
    subprocess.run(backfill, cwd=folder, check=True)
    address = f"127.0.0.1:{port}"
    command = ["prometheus", "--config.file=empty.yaml", "--storage.tsdb.path=data", f"--web.listen-address={address}"]
    # The samples are of a day that is fixed, however long ago.
    command += ["--storage.tsdb.retention.time=100y", "--log.level=error"]
    with subprocess.Popen(command, cwd=folder) as process:
        try:
            _wait(f"http://{address}/-/ready")
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()


def _wait(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - loopback
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise PrometheusMissing(f"Prometheus is not ready after {_START_SECONDS} s")
