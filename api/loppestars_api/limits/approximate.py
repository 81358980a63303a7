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
RETURNING key, started, requests
""")
_SWEEP = text("DELETE FROM rate_windows WHERE started < :oldest")


@dataclass(slots=True)
class _Client:
    """Counts of one client: in its current window and the one before, by all replicas, and not yet told."""

    started: int
    current: int = 0
    previous: int = 0
    untold: int = 0


class ApproximateLimiter:
    def __init__(self, rate: Rate, clock: Callable[[], float] = time) -> None:
        self._rate = rate
        self._clock = clock
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._untold: set[str] = set()

    def take(self, key: str) -> None:
        """Count one request of `key`, in memory. Raises `TooManyRequests`."""
        if self._rate.unlimited:
            return
        now = self._clock()
        client = self._client(key, int(now // WINDOW_SECONDS) * WINDOW_SECONDS)
        share = 1 - (now - client.started) / WINDOW_SECONDS
        if client.current + client.previous * share >= self._rate.per_minute:
            refuse(self._rate, self._wait(client, now))
        client.current += 1
        client.untold += 1
        self._untold.add(key)

    def _client(self, key: str, window: int) -> _Client:
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _Client(window)
            if len(self._clients) > MAX_CLIENTS:
                forgotten, _ = self._clients.popitem(last=False)
                self._untold.discard(forgotten)
        else:
            self._clients.move_to_end(key)
        if client.started != window:
            follows = client.started == window - WINDOW_SECONDS
            client.previous = client.current if follows else 0
            client.started, client.current, client.untold = window, 0, 0
        return client

    def _wait(self, client: _Client, now: float) -> float:
        """Seconds until the sliding count falls below the limit, if nothing more is asked."""
        left = client.started + WINDOW_SECONDS - now
        if client.current >= self._rate.per_minute:
            return left
        allowed = self._rate.per_minute - client.current
        return max(1.0, left - WINDOW_SECONDS * allowed / max(client.previous, 1))

    async def exchange(self, engine: AsyncEngine) -> None:
        """Tell the other replicas what was counted here, and learn what they counted."""
        # Sorted, so that replicas lock rows in one order.
        told = [
            (key, client.started, client.untold)
            for key in sorted(self._untold)[:MAX_EXCHANGED]
            if (client := self._clients.get(key)) is not None
        ]
        if not told:
            return
        keys, started, counts = (list(column) for column in zip(*told, strict=True))
        prefix = f"{self._rate.name}/"
        parameters = {"keys": [prefix + key for key in keys], "started": started, "counts": counts}
        async with engine.begin() as connection:
            totals = {
                (row.key.removeprefix(prefix), row.started): row.requests
                for row in await connection.execute(_EXCHANGE, parameters)
            }
        for key, window, count in told:
            self._settle(key, window, count, totals[key, window])

    def _settle(self, key: str, window: int, told: int, total: int) -> None:
        """Take over the total of all replicas; what was counted here since the statement began is on top of it."""
        client = self._clients.get(key)
        if client is None:
            self._untold.discard(key)
            return
        if client.started == window:
            client.untold -= told
            client.current = total + client.untold
        if not client.untold:
            self._untold.discard(key)

    async def sweep(self, engine: AsyncEngine) -> None:
        """Forget windows that no longer count."""
        oldest = int(self._clock()) - 3 * WINDOW_SECONDS
        async with engine.begin() as connection:
            await connection.execute(_SWEEP, {"oldest": oldest})
        for key in [key for key, client in self._clients.items() if client.started < oldest]:
            del self._clients[key]


async def keep_exchanging(limiter: ApproximateLimiter, engine: AsyncEngine) -> None:
    """Exchange counts for ever; a database that is away for a while costs accuracy and nothing else."""
    while True:
        await asyncio.sleep(EXCHANGE_SECONDS)
        try:
            await limiter.exchange(engine)
        except (SQLAlchemyError, OSError) as error:
            log.debug("rate_exchange_failed", error=type(error).__name__)
