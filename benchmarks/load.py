"""Load on an address of this machine: wrk at full speed where it is installed, a paced generator of our own."""

import asyncio
import re
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

CONNECTIONS: Final = 16
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: requests a second, latencies in milliseconds, answers that were not 200."""

    rate: float
    median: float
    p99: float
    failures: int


def full_speed(url: str, seconds: float) -> Load:
    """As much as `CONNECTIONS` clients can ask, each as soon as it has its answer."""
    if shutil.which("wrk") is None:
        return asyncio.run(_closed_loop(url, seconds))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency", "--timeout", "10s", url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failures = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", told))
    failures += sum(int(number) for number in re.findall(r"(?:connect|read|write|timeout) (\d+)", told))
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    if rate is None:
        raise ValueError(f"wrk printed no rate:\n{told}")
    return Load(float(rate[1]), _latency("50%", told), _latency("99%", told), failures)


def paced(url: str, seconds: float, rate: float) -> Load:
    """`rate` requests a second, each sent when it is due and timed from then, whether the last was answered or not."""
    return asyncio.run(_open_loop(url, seconds, rate))


def _latency(share: str, told: str) -> float:
    found = re.search(share + r"\s+([\d.]+)(us|ms|s)", told)
    if found is None:
        raise ValueError(f"wrk printed no latencies:\n{told}")
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


class Client:
    """One keep-alive connection; reads as much of HTTP as our own servers send."""

    def __init__(self, url: str, headers: str = "") -> None:
        parts = urlsplit(url)
        self._where = (parts.hostname, parts.port)
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._rest = f" HTTP/1.1\r\nHost: bench\r\n{headers}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str = "") -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._where)
        reader, writer = self._streams
        writer.write(f"GET {path or self._path}{self._rest}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        return int(head[9:12])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


async def _closed_loop(url: str, seconds: float) -> Load:
    latencies: list[float] = []
    statuses: list[int] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        connection = Client(url)
        while (started := time.perf_counter()) < end:
            statuses.append(await connection.ask())
            latencies.append((time.perf_counter() - started) * 1000)
        connection.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return summary(latencies, statuses, seconds)


async def _open_loop(url: str, seconds: float, rate: float) -> Load:
    latencies: list[float] = []
    statuses: list[int] = []
    idle: list[Client] = []

    async def ask(due: float) -> None:
        connection = idle.pop() if idle else Client(url)
        statuses.append(await connection.ask())
        latencies.append((time.perf_counter() - due) * 1000)
        idle.append(connection)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(max(1, int(seconds * rate))):
            due = started + number / rate
            if (delay := due - time.perf_counter()) > 0:
                await asyncio.sleep(delay)
            tasks.create_task(ask(due))
    for connection in idle:
        connection.close()
    return summary(latencies, statuses, seconds)


def summary(latencies: list[float], statuses: list[int], seconds: float) -> Load:
    """What came of requests in `seconds`."""
    latencies.sort()
    last = latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))]
    failures = sum(status != OK for status in statuses)
    return Load(len(latencies) / seconds, statistics.median(latencies), last, failures)
