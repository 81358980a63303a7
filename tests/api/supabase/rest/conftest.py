"""A world of markets and ratings, and requests to it by several people."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_api.supabase.rest.resources import OFFER
from loppestars_core.accounts.models import RoleGrant
from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.rows.offered import Offer
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.ratings.models import RatingType
from loppestars_core.ratings.rate import NewRating, rate
from tests.factories.markets import add_market

KEY, OLD_KEY = "sb_publishable_of_tests", "the-key-before"
ME, OTHER, ADMIN = "user-me", "user-other", "user-admin"


class World:
    """A client with everything behind it."""

    def __init__(self, client: httpx.AsyncClient, sign: Any, ids: dict[str, str]) -> None:
        self.client = client
        self.sign = sign
        self.ids = ids

    async def ask(self, method: str, path: str, who: str = "anon", **more: Any) -> httpx.Response:
        """Send a request as one of `anon`, a user, or nobody."""
        given = more.pop("headers", {})
        headers = {"apikey": KEY, "Authorization": f"Bearer {KEY}", **given}
        if who not in {"anon", "nobody"}:
            headers |= self.sign(who)
        if who == "nobody":
            headers = dict(given)
        for name, found in self.ids.items():
            path = path.replace(f"<{name}>", found)
        return await self.client.request(method, f"/rest/v1/{path}", headers=headers, **more)


Serve = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def serve(api_settings: ApiSettings, sign: Any) -> Serve:
    """Start an API with an offer."""

    @asynccontextmanager
    async def serving(offer: Offer = OFFER, ids: dict[str, str] | None = None) -> AsyncIterator[World]:
        settings = api_settings.model_copy(update={"anon_keys": (SecretStr(KEY), SecretStr(OLD_KEY))})
        app = create_app(settings, offer)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                yield World(client, sign, ids or {})

    return serving


@pytest.fixture
async def ids(session: AsyncSession) -> dict[str, str]:
    """Three markets (over, now, soon), ratings of two users, an admin; their ids by name."""
    today = today_in_denmark()
    for user in (ME, OTHER, ADMIN):
        await ensure_user(session, user)
    await session.execute(insert(RoleGrant).values(user_id=ADMIN, role="admin"))
    ids = {}
    for name, days in (("over", -10), ("now", 0), ("soon", 5)):
        day = today + timedelta(days=days)
        ids[name] = str(await add_market(session, name=f"Market {name}", start_date=day, end_date=day))
    for user, stall, points in ((ME, None, 8), (ME, "Bod 7 & søn", 9), (OTHER, None, 3)):
        new = NewRating(
            user_id=user,
            market_id=uuid.UUID(ids["now"]),
            stall_name=stall,
            rating=points,
            rating_type=RatingType.STALL if stall else RatingType.MARKET,
            mobilepay_phone="12345678",
        )
        ids[f"{user}-{'stall' if stall else 'market'}"] = str(await rate(session, new))
    await session.commit()
    return ids


@pytest.fixture
async def world(serve: Serve, ids: dict[str, str]) -> AsyncIterator[World]:
    """The app's own offer."""
    async with serve(ids=ids) as world:
        yield world
