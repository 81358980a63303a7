"""The exact limit, against a real PostgreSQL."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.access.limits.gcra import ExactLimiter
from loppestars_api.access.limits.rates import Rate
from loppestars_api.web.errors import TooManyRequests


async def allowed(limiter: ExactLimiter, rate: Rate, key: str, times: int) -> int:
    """How many of `times` simultaneous requests are let through."""
    results = await asyncio.gather(*(limiter.take(rate, key) for _ in range(times)), return_exceptions=True)
    assert all(result is None or isinstance(result, TooManyRequests) for result in results)
    return sum(result is None for result in results)


class TestExact:
    async def test_a_burst_is_let_through_to_the_last_one(self, engine: AsyncEngine) -> None:
        """Simultaneous requests take turns on the row: exactly the burst passes."""
        rate = Rate("t", per_minute=6, burst=7)
        assert await allowed(ExactLimiter(engine), rate, "somebody", 20) == 7

    async def test_clients_and_limits_do_not_share(self, engine: AsyncEngine) -> None:
        """Each limit counts each client by itself."""
        limiter = ExactLimiter(engine)
        for name in ("one", "two"):
            for key in ("a", "b"):
                assert await allowed(limiter, Rate(name, 1, 2), key, 3) == 2

    async def test_it_refills_at_the_sustained_rate(self, engine: AsyncEngine) -> None:
        """600 in a minute is one in a tenth of a second; Retry-After is rounded up to whole seconds."""
        limiter, rate = ExactLimiter(engine), Rate("t", 600, 2)
        assert await allowed(limiter, rate, "k", 4) == 2
        await asyncio.sleep(0.11)
        assert await allowed(limiter, rate, "k", 3) == 1
        with pytest.raises(TooManyRequests) as refused:
            await limiter.take(rate, "k")
        assert refused.value.headers == {"Retry-After": "1"}

    async def test_retry_after_tells_the_truth(self, engine: AsyncEngine) -> None:
        """One in a minute: the second must wait for nearly all of it."""
        limiter, rate = ExactLimiter(engine), Rate("t", 1, 1)
        await limiter.take(rate, "k")
        with pytest.raises(TooManyRequests) as refused:
            await limiter.take(rate, "k")
        assert refused.value.headers is not None
        assert 58 <= int(refused.value.headers["Retry-After"]) <= 60

    async def test_zero_is_no_limit(self, engine: AsyncEngine) -> None:
        """And costs no statement."""
        assert await allowed(ExactLimiter(engine), Rate("t", 0, 1), "k", 50) == 50

    async def test_rows_are_swept(self, engine: AsyncEngine) -> None:
        """A client whose bucket is empty for a minute leaves no trace."""
        limiter = ExactLimiter(engine)
        await limiter.take(Rate("t", 60, 2), "recent")
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO rate_limits VALUES ('t/old', now() - interval '1 hour')"))
        await limiter.sweep()
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT key FROM rate_limits"))).scalars().all() == ["t/recent"]

    async def test_a_batch_costs_its_size(self, engine: AsyncEngine) -> None:
        """A batch passes whole or not at all."""
        limiter, rate = ExactLimiter(engine), Rate("t", 6, 7)
        await limiter.take(rate, "k", cost=4)
        with pytest.raises(TooManyRequests):
            await limiter.take(rate, "k", cost=4)
        await limiter.take(rate, "k", cost=3)
