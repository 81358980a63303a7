"""The general limit of requests: batches in memory, shared by replicas."""

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.access.limits.gcra import ExactLimiter
from loppestars_api.access.limits.rates import Rate
from loppestars_api.access.limits.requests import BATCHES, RequestLimiter
from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_api.web.errors import TooManyRequests
from loppestars_core.database.engine import create_engine
from loppestars_core.kit.settings import DatabaseSettings

RATE = Rate("t", 100, 100)


async def passed(limiters: list[RequestLimiter], times: int, key: str = "k") -> int:
    """Count how many of `times` requests, spread over replicas, are let through."""
    count = 0
    for number in range(times):
        try:
            await limiters[number % len(limiters)].take(key)
        except TooManyRequests:
            continue
        count += 1
    return count


class TestTake:
    async def test_the_limit_holds(self, engine: AsyncEngine) -> None:
        """The allowance passes, give or take a batch."""
        limiter = RequestLimiter(RATE, ExactLimiter(engine))
        assert 100 <= await passed([limiter], 150) <= 100 + RATE.per_minute // BATCHES

    async def test_replicas_share_it(self, engine: AsyncEngine) -> None:
        """Four replicas let through one allowance and at most a batch each."""
        limiters = [RequestLimiter(RATE, ExactLimiter(engine)) for _ in range(4)]
        assert 95 <= await passed(limiters, 400) <= 100 + 4 * RATE.per_minute // BATCHES

    async def test_few_requests_ask_nothing(self, engine: AsyncEngine) -> None:
        """Below a batch no statement is sent, and no row is written."""
        assert await passed([RequestLimiter(RATE, ExactLimiter(engine))], 4) == 4
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM rate_limits")) == 0

    async def test_a_refused_client_asks_nothing(self, engine: AsyncEngine) -> None:
        """While it has to wait, it is refused from memory; others pass."""
        now = [1000.0]
        limiter = RequestLimiter(Rate("t", 2, 2), ExactLimiter(engine), lambda: now[0])
        assert await passed([limiter], 3) == 2
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM rate_limits"))
        assert await passed([limiter], 3) == 0
        assert await passed([limiter], 1, "another") == 1
        now[0] += 60
        assert await passed([limiter], 1) == 1

    async def test_the_database_away_lets_through(self) -> None:
        """A list that cannot be counted is better than no list."""
        engine = create_engine(DatabaseSettings(database_url=SecretStr("postgresql://u@127.0.0.1:1/x")))
        assert await passed([RequestLimiter(Rate("t", 1, 1), ExactLimiter(engine))], 2) == 2
        await engine.dispose()


class TestOverHttp:
    @pytest.mark.parametrize("path", ["/markets/today", "/nowhere", "/markets/nearby", "/docs"])
    async def test_every_path_is_limited(self, api_settings: ApiSettings, path: str) -> None:
        """Also what no route answers, and wrong parameters; health never is."""
        app = create_app(api_settings.model_copy(update={"rate_limit_lists_per_minute": 5}))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                statuses = [(await client.get(path)).status_code for _ in range(6)]
                refused = await client.get(
                    path, headers={"X-Forwarded-For": "198.51.100.7", "Origin": "https://a.example"}
                )
                health = await client.get("/health")
        assert 429 not in statuses[:5]
        assert statuses[5] == refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
        assert refused.headers["access-control-allow-origin"] == "*"
        assert health.status_code == 200
