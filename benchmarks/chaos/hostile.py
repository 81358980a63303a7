"""One hostile client of the API, from an address of its own, a process apart: it counts what it tried and was answered.

Run by `python -m benchmarks.chaos`, or by hand: `python -m benchmarks.chaos.hostile SECONDS PORT …`.
"""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

ADDRESS: Final = "127.0.0.2"
_HEADS: Final = 100
_UPLOADS: Final = 40
_IDLE: Final = 600
_SEARCHERS: Final = 8
_FORM: Final = (
    b"POST /process-face HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 500000\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\n\r\n'
)
_BOMBS: Final = (
    "/markets/search?query=" + "a+" * 100,
    "/markets/search?query=" + "+".join(f"{letter}e" for letter in "abcdefghijklmnop") + "&offset=2000",
    "/markets/search?query=" + "%25" * 300,
    "/markets/nearby?latitude=55.6&longitude=12.5&radius=1000&offset=2000",
)
_LONG: Final = ("/" + "a" * 64_000, "/" + "a" * 8_000, "/" + "a.b-c+" * 300 + "@", "/eyJ" + "eyJ." * 400)


class Hostile:
    """Every attack side by side until `seconds` have passed; `counts` says what came of them."""

    def __init__(self, ports: list[int], seconds: float) -> None:
        self._ports = itertools.cycle(ports)
        self._end = time.monotonic() + seconds
        self.counts: dict[str, Counter[str]] = {}

    async def run(self) -> None:
        attacks: list[tuple[str, Callable[[str], Awaitable[None]], int]] = [
            ("slow heads", self._slow_head, _HEADS),
            ("slow uploads", self._slow_upload, _UPLOADS),
            ("idle connections", self._idle, _IDLE),
            ("search bombs", self._search, _SEARCHERS),
            ("long addresses", self._long, 2),
            ("unknown paths", self._unknown, 2),
        ]
        async with asyncio.TaskGroup() as tasks:
            for name, attack, count in attacks:
                self.counts[name] = Counter()
                for _ in range(count):
                    tasks.create_task(self._again(name, attack))

    async def _again(self, name: str, attack: Callable[[str], Awaitable[None]]) -> None:
        while time.monotonic() < self._end:
            try:
                async with asyncio.timeout(max(0.1, self._end - time.monotonic())):
                    await attack(name)
            except TimeoutError:
                return
            except (OSError, asyncio.IncompleteReadError):
                self.counts[name]["connection ended"] += 1
                await asyncio.sleep(0.5)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", next(self._ports), local_addr=(ADDRESS, 0))
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def _ask(self, name: str, request: bytes) -> None:
        async with self._connected() as (reader, writer):
            writer.write(request)
            await self._count(name, reader)

    async def _count(self, name: str, reader: asyncio.StreamReader) -> None:
        status = (await reader.readexactly(12))[9:].decode()
        self.counts[name][status] += 1

    async def _trickle(self, name: str, head: bytes, pause: float) -> None:
        """Send `head`, then a byte now and then until the server has had enough."""
        async with self._connected() as (reader, writer):
            writer.write(head)
            answer = asyncio.create_task(self._count(name, reader))
            try:
                while not answer.done():
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.wait([answer], timeout=pause)
                await answer
            finally:
                answer.cancel()

    async def _slow_head(self, name: str) -> None:
        await self._trickle(name, b"GET /markets/today HTTP/1.1\r\nHost: h\r\nX-Slow: ", 2)

    async def _slow_upload(self, name: str) -> None:
        await self._trickle(name, _FORM, 3)

    async def _idle(self, name: str) -> None:
        async with self._connected() as (reader, _):
            await reader.read(1)
            self.counts[name]["ended by the server"] += 1
        await asyncio.sleep(1)

    async def _search(self, name: str) -> None:
        path = _BOMBS[self.counts[name].total() % len(_BOMBS)]
        await self._ask(name, f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        await asyncio.sleep(0.05)

    async def _long(self, name: str) -> None:
        path = _LONG[self.counts[name].total() % len(_LONG)]
        await self._ask(name, f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        await asyncio.sleep(0.2)

    async def _unknown(self, name: str) -> None:
        request = f"GET /nowhere/{time.monotonic_ns()} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        await self._ask(name, request.encode())
        await asyncio.sleep(0.01)


def main() -> None:
    """Attack, then print the counts as JSON."""
    hostile = Hostile([int(port) for port in sys.argv[2:]], float(sys.argv[1]))
    asyncio.run(hostile.run())
    print(json.dumps(hostile.counts))


if __name__ == "__main__":
    main()
