"""The approximate limit for cheap reads: shared by all replicas, and no query of its own for a request.

Each replica counts in memory and tells the others once a second through one upsert, whose answer brings what they
counted. Over a window of a minute that is at most a second late. When the database does not answer, each replica
limits by itself: a list that cannot be limited exactly is better than no list.

The window slides: of the previous minute counts the part that is still inside the last 60 seconds.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from time import time

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.limits.exact import refuse
from loppestars_api.limits.rates import Rate

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
EXCHANGE_SECONDS = 1.0
# Clients remembered by one replica; beyond it the one not seen for longest is forgotten, and only by this replica.
MAX_CLIENTS = 100_000
# Clients told to the others at once: more than this and the statement would be felt by everybody.
MAX_EXCHANGED = 5_000

_EXCHANGE = text("""
INSERT INTO rate_windows AS known (key, started, requests)
SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:started AS bigint[]), CAST(:counts AS bigint[]))
ON CONFLICT (key, started) DO UPDATE SET requests = known.requests + excluded.requests
RETURNING key, started, requests,
  (SELECT before.requests FROM rate_windows AS before
    WHERE before.key = known.key AND before.started = known.started - :window) AS previous
""")
_SWEEP = text("DELETE FROM rate_windows WHERE started < :oldest")


@dataclass(slots=True)
class _Client:
    """Counts of one client, by all replicas: in its current window and in the one before."""

    started: int
    current: int = 0
    previous: int = 0


class ApproximateLimiter:
    def __init__(self, rate: Rate, clock: Callable[[], float] = time) -> None:
        self._rate = rate
        self._clock = clock
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        # Not yet told to the others: requests of a client in a window. Who has waited longest is told first.
        self._untold: dict[tuple[str, int], int] = {}

    def take(self, key: str) -> None:
        """Count one request of `key`, in memory. Raises `TooManyRequests`."""
        if self._rate.unlimited:
            return
        now = self._clock()
        client = self._client(key, self._window(now))
        share = 1 - (now - client.started) / WINDOW_SECONDS
        if client.current + client.previous * share >= self._rate.per_minute:
            refuse(self._rate, self._wait(client, now))
        client.current += 1
        counted = (key, client.started)
        self._untold[counted] = self._untold.get(counted, 0) + 1
        if len(self._untold) > MAX_CLIENTS:
            del self._untold[next(iter(self._untold))]

    @staticmethod
    def _window(now: float) -> int:
        return int(now // WINDOW_SECONDS) * WINDOW_SECONDS

    def _client(self, key: str, window: int) -> _Client:
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _Client(window)
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)
        else:
            self._clients.move_to_end(key)
        if client.started != window:
            follows = client.started == window - WINDOW_SECONDS
            client.previous = client.current if follows else 0
            client.started, client.current = window, 0
        return client

    def _wait(self, client: _Client, now: float) -> float:
        """Seconds until the sliding count falls below the limit, if nothing more is asked."""
        left = client.started + WINDOW_SECONDS - now
        if client.current >= self._rate.per_minute:
            # Then these are the previous ones, of which a part still counts.
            return left + WINDOW_SECONDS * (1 - self._rate.per_minute / client.current)
        allowed = self._rate.per_minute - client.current
        return max(1.0, left - WINDOW_SECONDS * allowed / max(client.previous, 1))

    async def exchange(self, engine: AsyncEngine) -> None:
        """Tell the other replicas what was counted here, and learn what they counted."""
        self._forget_untold()
        # Sorted, so that replicas lock rows in one order.
        told = sorted((*counted, count) for counted, count in islice(self._untold.items(), MAX_EXCHANGED))
        if not told:
            return
        keys, started, counts = (list(column) for column in zip(*told, strict=True))
        prefix = f"{self._rate.name}/"
        parameters = {
            "keys": [prefix + key for key in keys],
            "started": started,
            "counts": counts,
            "window": WINDOW_SECONDS,
        }
        async with engine.begin() as connection:
            totals = {
                (row.key.removeprefix(prefix), row.started): (row.requests, row.previous or 0)
                for row in await connection.execute(_EXCHANGE, parameters)
            }
        for key, window, count in told:
            self._settle(key, window, count, *totals[key, window])

    def _forget_untold(self) -> None:
        """Drop counts of windows that are over for everybody, as after a time without a database."""
        oldest = self._window(self._clock()) - WINDOW_SECONDS
        while self._untold and (first := next(iter(self._untold)))[1] < oldest:
            del self._untold[first]

    def _settle(self, key: str, window: int, told: int, total: int, previous: int) -> None:
        """Take over the total of all replicas; what was counted here since the statement began is on top of it."""
        left = self._untold.pop((key, window), told) - told
        if left > 0:
            self._untold[key, window] = left
        client = self._clients.get(key)
        if client is None:
            return
        if client.started == window:
            client.current = total + max(left, 0)
            client.previous = max(client.previous, previous)
        elif client.started == window + WINDOW_SECONDS:
            client.previous = max(client.previous, total)

    async def sweep(self, engine: AsyncEngine) -> None:
        """Forget windows that no longer count."""
        oldest = int(self._clock()) - 3 * WINDOW_SECONDS
        for key in [key for key, client in self._clients.items() if client.started < oldest]:
            del self._clients[key]
        async with engine.begin() as connection:
            await connection.execute(_SWEEP, {"oldest": oldest})


async def keep_exchanging(limiter: ApproximateLimiter, engine: AsyncEngine) -> None:
    """Exchange counts for ever; a database that is away for a while costs accuracy and nothing else."""
    while True:
        await asyncio.sleep(EXCHANGE_SECONDS)
        try:
            await limiter.exchange(engine)
        except (SQLAlchemyError, OSError) as error:
            log.debug("rate_exchange_failed", error=type(error).__name__)
