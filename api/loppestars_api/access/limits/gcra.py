"""The exact limit, shared by all replicas: GCRA, one statement per decision.

The generic cell rate algorithm (ITU-T I.371) keeps one instant for each client, its theoretical arrival time: when
the bucket would be empty again. A request is let through if that instant is at most `(burst - cost) * interval` ahead,
and moves it by `cost` intervals. One row, one upsert, no window edges to game, and the row's lock makes simultaneous
requests of different replicas take turns.
"""

from typing import Final, NoReturn

from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.access.limits.rates import Rate
from loppestars_api.web.errors import TooManyRequests

REFUSED_BY_LIMIT: Final = Counter("loppestars_rate_limited_total", "Requests answered 429", ["limit"])

# A refused request changes no row (the WHERE of the upsert), so the second half reads the instant for Retry-After.
_TAKE: Final = text("""
WITH moment AS (SELECT clock_timestamp() AS now),
taken AS (
  INSERT INTO rate_limits AS known (key, arrival)
  SELECT :key, now + make_interval(secs => :spent) FROM moment
  ON CONFLICT (key) DO UPDATE
    SET arrival = greatest(known.arrival, excluded.arrival - make_interval(secs => :spent))
                  + make_interval(secs => :spent)
    WHERE known.arrival <= excluded.arrival - make_interval(secs => :spent) + make_interval(secs => :tolerance)
  RETURNING 1
)
SELECT EXISTS (SELECT FROM taken) AS allowed,
       coalesce((SELECT extract(epoch FROM known.arrival - moment.now) - :tolerance
                 FROM rate_limits AS known, moment WHERE known.key = :key), 0)::float AS wait
""")
_SWEEP: Final = text("DELETE FROM rate_limits WHERE arrival < clock_timestamp() - interval '1 minute'")


class ExactLimiter:
    """Counts requests in `rate_limits`; a decision stands by itself, whatever becomes of the request."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def take(self, rate: Rate, key: str, *, cost: int = 1) -> None:
        """Count `cost` requests of `key`. Raise `TooManyRequests`."""
        if rate.unlimited:
            return
        parameters = {
            "key": f"{rate.name}/{key}",
            "spent": cost * rate.interval,
            "tolerance": (rate.burst - cost) * rate.interval,
        }
        async with self._engine.connect() as connection:
            row = (await connection.execute(_TAKE, parameters)).one()
        if not row.allowed:
            refuse(rate, row.wait)

    async def sweep(self) -> None:
        """Forget clients whose bucket is empty again."""
        async with self._engine.connect() as connection:
            await connection.execute(_SWEEP)


def refuse(rate: Rate, wait: float) -> NoReturn:
    """Raise `TooManyRequests` and count it."""
    REFUSED_BY_LIMIT.labels(rate.name).inc()
    raise TooManyRequests(f"Too many requests of this kind: at most {rate.per_minute} per minute.", wait)
