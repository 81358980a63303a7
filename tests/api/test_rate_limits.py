"""Rate limits, exact and approximate, against a real PostgreSQL."""

import asyncio

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.app import create_app
from loppestars_api.web.errors import TooManyRequests
from loppestars_api.access.limits import approximate
from loppestars_api.access.limits.sliding_window import WINDOW_SECONDS, ApproximateLimiter
from loppestars_api.access.limits.gcra import ExactLimiter
from loppestars_api.access.limits.rates import Rate
from loppestars_api.settings import ApiSettings


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


class Clock:
    def __init__(self) -> None:
        self.now = 6_000_000.0

    def __call__(self) -> float:
        return self.now


class TestApproximate:
    def test_it_counts_in_memory(self) -> None:
        """The limit itself is let through, one more is not."""
        limiter = ApproximateLimiter(Rate("t", 3, 3), Clock())
        for _ in range(3):
            limiter.take("k")
        with pytest.raises(TooManyRequests):
            limiter.take("k")
        limiter.take("another")

    def test_the_window_slides(self) -> None:
        """Half a minute into the next window, half of the last one still counts."""
        clock = Clock()
        limiter = ApproximateLimiter(Rate("t", 10, 10), clock)
        for _ in range(10):
            limiter.take("k")
        clock.now += 90
        for _ in range(5):
            limiter.take("k")
        with pytest.raises(TooManyRequests) as refused:
            limiter.take("k")
        assert refused.value.headers == {"Retry-After": "1"}
        clock.now += 120
        for _ in range(10):
            limiter.take("k")

    async def test_replicas_learn_of_each_other(self, engine: AsyncEngine) -> None:
        """Two replicas that exchange count together; the sum limits both."""
        clock, rate = Clock(), Rate("t", 10, 10)
        one, two = ApproximateLimiter(rate, clock), ApproximateLimiter(rate, clock)
        for _ in range(6):
            one.take("k")
        await one.exchange(engine)
        for _ in range(4):
            two.take("k")
        await two.exchange(engine)
        with pytest.raises(TooManyRequests):
            two.take("k")
        one.take("k")  # it does not know yet …
        await one.exchange(engine)
        with pytest.raises(TooManyRequests):
            one.take("k")  # … and now it does

    async def test_nothing_is_told_twice(self, engine: AsyncEngine) -> None:
        """Only what is new since the last exchange is added."""
        limiter = ApproximateLimiter(Rate("t", 100, 100), Clock())
        for _ in range(3):
            limiter.take("k")
            await limiter.exchange(engine)
            await limiter.exchange(engine)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT requests FROM rate_windows")) == 3

    async def test_a_replica_learns_what_others_counted_in_the_window_before(self, engine: AsyncEngine) -> None:
        """A client that comes to another replica at the edge of a window does not begin anew."""
        clock, rate = Clock(), Rate("t", 10, 10)
        one, two = ApproximateLimiter(rate, clock), ApproximateLimiter(rate, clock)
        for _ in range(10):
            one.take("k")
        await one.exchange(engine)
        clock.now += WINDOW_SECONDS
        two.take("k")
        await two.exchange(engine)
        with pytest.raises(TooManyRequests) as refused:
            two.take("k")
        assert refused.value.headers == {"Retry-After": "6"}

    async def test_nobody_keeps_the_others_from_being_told(
        self, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither many clients with many requests, nor those of a time when the database was away."""
        monkeypatch.setattr(approximate, "MAX_EXCHANGED", 2)
        clock = Clock()
        limiter = ApproximateLimiter(Rate("t", 100, 100), clock)
        for key in "abc":
            limiter.take(key)
        clock.now += 600  # nothing could be told meanwhile
        await limiter.sweep(engine)
        for _ in range(2):
            for key in "xyz":
                limiter.take(key)
            await limiter.exchange(engine)
        await limiter.exchange(engine)
        async with engine.connect() as connection:
            found = await connection.execute(text("SELECT key, requests FROM rate_windows ORDER BY key"))
            assert [tuple(row) for row in found] == [("t/x", 2), ("t/y", 2), ("t/z", 2)]

    async def test_the_last_second_of_a_window_is_told(self, engine: AsyncEngine) -> None:
        """What was counted just before the next window began is not forgotten with it."""
        clock, rate = Clock(), Rate("t", 10, 10)
        one, two = ApproximateLimiter(rate, clock), ApproximateLimiter(rate, clock)
        for _ in range(9):
            one.take("k")
        clock.now += WINDOW_SECONDS
        one.take("k")
        await one.exchange(engine)
        two.take("k")
        await two.exchange(engine)
        with pytest.raises(TooManyRequests):
            two.take("k")

    def test_retry_after_knows_the_next_window(self) -> None:
        """Replicas may have let through more than the limit together: it takes a part of the next window, too."""
        clock = Clock()
        limiter = ApproximateLimiter(Rate("t", 10, 10), clock)
        for _ in range(10):
            limiter.take("k")
        limiter._clients["k"].current = 20  # what an exchange brings
        with pytest.raises(TooManyRequests) as refused:
            limiter.take("k")
        assert refused.value.headers == {"Retry-After": "90"}
        clock.now += 90.1
        limiter.take("k")

    async def test_old_windows_are_swept(self, engine: AsyncEngine) -> None:
        """In the table and in memory."""
        clock = Clock()
        limiter = ApproximateLimiter(Rate("t", 100, 100), clock)
        limiter.take("k")
        await limiter.exchange(engine)
        clock.now += 600
        await limiter.sweep(engine)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM rate_windows")) == 0
        assert not limiter._clients


async def test_lists_answer_429_with_retry_after(api_settings: ApiSettings) -> None:
    """Over HTTP, and health is never limited."""
    app = create_app(api_settings.model_copy(update={"rate_limit_lists_per_minute": 5}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            statuses = [(await client.get("/markets/today")).status_code for _ in range(6)]
            refused = await client.get("/markets/today", headers={"X-Forwarded-For": "198.51.100.7"})
            health = await client.get("/health")
    assert statuses == [200] * 5 + [429]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
    assert health.status_code == 200
