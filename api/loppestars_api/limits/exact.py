"""The exact limit, shared by all replicas: GCRA, one statement a decision.

The generic cell rate algorithm (ITU-T I.371) keeps one instant for each client, its theoretical arrival time: when
the bucket would be empty again. A request is let through if that instant is at most `(burst - 1) * interval` ahead,
and moves it by one interval. One row, one upsert, no window edges to game, and the row's lock makes simultaneous
requests of different replicas take turns.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.errors import TooManyRequests
from loppestars_api.limits.rates import Rate
from loppestars_api.metrics import REFUSED_BY_LIMIT

# A refused request changes no row (the WHERE of the upsert), so the second half reads the instant for Retry-After.
_TAKE = text("""
WITH moment AS (SELECT clock_timestamp() AS now),
taken AS (
  INSERT INTO rate_limits AS known (key, arrival)
  SELECT :key, now + make_interval(secs => :interval) FROM moment
  ON CONFLICT (key) DO UPDATE
    SET arrival = greatest(known.arrival, excluded.arrival - make_interval(secs => :interval))
                  + make_interval(secs => :interval)
    WHERE known.arrival <= excluded.arrival - make_interval(secs => :interval) + make_interval(secs => :tolerance)
  RETURNING 1
)
SELECT EXISTS (SELECT FROM taken) AS allowed,
       coalesce((SELECT extract(epoch FROM known.arrival - moment.now) - :tolerance
                 FROM rate_limits AS known, moment WHERE known.key = :key), 0)::float AS wait
""")
_SWEEP = text("DELETE FROM rate_limits WHERE arrival < clock_timestamp() - interval '1 minute'")


class ExactLimiter:
    def __init__(self, engine: AsyncEngine) -> None:
        # A decision stands by itself, whatever becomes of the request.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def take(self, rate: Rate, key: str) -> None:
        """Count one request of `key`. Raises `TooManyRequests`."""
        if rate.unlimited:
            return
        parameters = {"key": _row(rate, key), "interval": rate.interval, "tolerance": _tolerance(rate)}
        async with self._engine.connect() as connection:
            row = (await connection.execute(_TAKE, parameters)).one()
        if not row.allowed:
            refuse(rate, row.wait)

    async def sweep(self) -> None:
        """Forget clients whose bucket is empty again."""
        async with self._engine.connect() as connection:
            await connection.execute(_SWEEP)


def refuse(rate: Rate, wait: float) -> None:
    REFUSED_BY_LIMIT.labels(rate.name).inc()
    raise TooManyRequests(f"Too many requests of this kind: at most {rate.per_minute} in a minute.", wait)


def _row(rate: Rate, key: str) -> str:
    return f"{rate.name}/{key}"


def _tolerance(rate: Rate) -> float:
    return (rate.burst - 1) * rate.interval
