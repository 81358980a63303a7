"""The API beside a bare Starlette app, on one machine and in turns: `/health`, and `/markets/nearby` of 50,000 markets.

Goals: at least 0.85 of the bare app's requests a second, p99 under 50 ms at half that load, under 150 MB of memory.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from sqlalchemy.ext.asyncio import create_async_engine

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from load import Load, full_speed, paced  # noqa: E402 - found by the line above

from loppestars_core.database.migrate import migrate, migration_engine  # noqa: E402 - after the path is set
from loppestars_local.postgres import EmbeddedPostgres  # noqa: E402 - after the path is set
from tests.factories.many_markets import add_many_markets  # noqa: E402 - after the path is set

MEGABYTE: Final = 1e6
GOAL_RATIO, GOAL_P99, GOAL_MEMORY = 0.85, 50.0, 150.0
NEARBY: Final = "/markets/nearby?latitude=55.6761&longitude=12.5683"


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    process: subprocess.Popen[bytes]
    port: int

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def processor(self) -> float:
        """Seconds of processor that were used so far: a busy machine makes them slower, and not more."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident memory in megabytes, at its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kilobytes) * 1024 / MEGABYTE


@contextmanager
def database(markets: int) -> Iterator[str]:
    """A PostgreSQL of our own with that many markets."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "data", {"fsync": "off", "shared_buffers": "256MB"})
        server.start()
        try:
            engine = migration_engine(server.url())
            with engine.connect() as connection:
                migrate(connection)
            engine.dispose()
            asyncio.run(_fill(server.url(), markets))
            yield server.url()
        finally:
            server.stop()


async def _fill(url: str, markets: int) -> None:
    engine = create_async_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    async with engine.connect() as connection:
        await add_many_markets(connection, markets)
    await engine.dispose()


@contextmanager
def running(
    name: str, command: list[str], environment: dict[str, str], output: Path, path: str = NEARBY
) -> Iterator[Server]:
    """The server as a process; the first line of its output tells the port."""
    with output.open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log)
        try:
            server = Server(name, process, _port(output))
            _wait_for(server, path)
            yield server
        finally:
            process.terminate()
            process.wait()


def _port(output: Path) -> int:
    for _ in range(600):
        for line in output.read_bytes().splitlines():
            document = orjson.loads(line)
            if isinstance(document, int):
                return document
            if document["event"] == "listening":
                return int(document["port"])
        time.sleep(0.1)
    raise RuntimeError(f"no port in {output.read_text()}")


def _wait_for(server: Server, path: str) -> None:
    for _ in range(300):
        try:
            if paced(server.url(path), 0.2, 10).failures == 0:
                return
        except (OSError, ExceptionGroup):
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{server.name} does not answer")


def measure(servers: list[Server], path: str, rounds: int, seconds: float) -> dict[str, list[Load]]:
    """Each server in turn, `rounds` times: whatever else the machine does meets all of them."""
    results: dict[str, list[Load]] = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers if number % 2 == 0 else servers[::-1]:
            results[server.name].append(full_speed(server.url(path), seconds))
    return results


def report(path: str, results: dict[str, list[Load]], api: Server, seconds: float) -> bool:
    """Print one line for the path; whether its goals are reached."""
    rates = {name: statistics.median(load.rate for load in loads) for name, loads in results.items()}
    failures = sum(load.failures for loads in results.values() for load in loads)
    pairs = zip(results["api"], results["bare"], strict=True)
    ratio = statistics.median(ours.rate / bare.rate for ours, bare in pairs)
    half = paced(api.url(path), seconds, min(rates["api"] / 2, 2000))
    print(
        f"{path.partition('?')[0]:<16} api {rates['api']:7.0f}/s  bare Starlette {rates['bare']:7.0f}/s  "
        f"ratio {ratio:.2f} (goal {GOAL_RATIO})  p99 at {half.rate:.0f}/s {half.p99:.1f} ms (goal {GOAL_P99:.0f})  "
        f"failures {failures + half.failures}",
        flush=True,
    )
    return ratio >= GOAL_RATIO and half.p99 < GOAL_P99 and failures + half.failures == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server (default 5)")
    parser.add_argument("--seconds", type=float, default=4, help="length of a turn (default 4)")
    parser.add_argument("--markets", type=int, default=50_000, help="markets in the database (default 50000)")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    arguments = parser.parse_args()
    with database(arguments.markets) as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {
            "DATABASE_URL": url,
            "STORAGE_DIR": str(folder / "storage"),
            "PORT": "0",
            "METRICS_PORT": "0",
            "METRICS_HOST": "127.0.0.1",
            "RATE_LIMIT_LISTS_PER_MINUTE": "100000000",
        }
        api_command = [str(Path(sys.executable).with_name("loppestars-api"))]
        bare_command = [sys.executable, str(ROOT / "benchmarks" / "bare_starlette.py")]
        with (
            running("api", api_command, environment, folder / "api.log") as api,
            running("bare", bare_command, environment, folder / "bare.log") as bare,
        ):
            fine = []
            for path in ("/health", NEARBY):
                results = measure([api, bare], path, arguments.rounds, arguments.seconds)
                fine.append(report(path, results, api, arguments.seconds))
            used = api.memory()
            print(f"{'memory':<16} api {used:.0f} MB  bare Starlette {bare.memory():.0f} MB  (goal {GOAL_MEMORY:.0f})")
            fine.append(used < GOAL_MEMORY)
    sys.exit(int(arguments.strict and not all(fine)))


if __name__ == "__main__":
    main()
