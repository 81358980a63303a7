"""The API as a real process with everything behind it, for the real client libraries."""

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import RoleGrant
from loppestars_core.accounts.users import ensure_user
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.ratings.models import RatingType
from loppestars_core.ratings.rate import NewRating, rate
from loppestars_core.sign_in.signing import new_key
from loppestars_local.openid.provider import CLIENT_ID, LocalProvider
from loppestars_local.openid.server import ProviderServer
from loppestars_local.ports import free_ports
from tests.api.conftest import SECRET, api_settings, consumer, start, storage
from tests.factories.markets import add_market
from tests.factories.photo_consumer import PhotoConsumer
from tests.factories.running_api import RunningApi

__all__ = ["api_settings", "consumer", "start", "storage"]

FOLDER = Path(__file__).parent
KEY = "sb_publishable_of_tests"
OTHER, ADMIN = "user-other", "user-admin"
PROVIDER_SECRET = "secret-of-the-local-provider"
REDIRECT = "loppestars://auth/callback"
SCRIPT_SECONDS = 150


def leave_out(reason: str) -> None:
    """Skip with `reason`; where LOPPESTARS_REQUIRE_MOBILE is set (continuous integration), fail instead."""
    if os.environ.get("LOPPESTARS_REQUIRE_MOBILE"):
        pytest.fail(f"LOPPESTARS_REQUIRE_MOBILE is set, but: {reason}", pytrace=False)
    pytest.skip(reason)


def token(subject: str, seconds: int = 600) -> str:
    return jwt.encode({"sub": subject, "exp": int(time.time()) + seconds}, SECRET, algorithm="HS256")


async def seed(session: AsyncSession) -> dict[str, str]:
    """Three markets (over, now, soon), a rating by another user, an admin; return the ids of the markets."""
    for user in (OTHER, ADMIN):
        await ensure_user(session, user)
    await session.execute(insert(RoleGrant).values(user_id=ADMIN, role="admin"))
    markets: dict[str, Any] = {}
    for name, days in (("over", -10), ("now", 0), ("soon", 5)):
        day = today_in_denmark() + timedelta(days=days)
        markets[name] = await add_market(session, name=f"Market {name}", start_date=day, end_date=day)
    new = NewRating(
        user_id=OTHER, market_id=markets["now"], rating=3, rating_type=RatingType.MARKET, mobilepay_phone="87654321"
    )
    await rate(session, new)
    await session.commit()
    return {name: str(market) for name, market in markets.items()}


@dataclass
class Server:
    """A running API, and what a script in Node is told about it."""

    api: RunningApi
    run: dict[str, Any]
    folder: Path
    variables: dict[str, str]

    async def node(self, script: str, library: str, *more: str, do: Callable[[str], None] = lambda _: None) -> str:
        """Run a script of this folder to its end and return its last line; `do` does what its lines ask for."""
        file = self.folder / "run.json"
        file.write_text(json.dumps(self.run))
        process = await asyncio.create_subprocess_exec(
            "node", "--no-warnings", script, library, str(file), *more,
            cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        said = [""]
        try:
            async with asyncio.timeout(SCRIPT_SECONDS):
                async for line in process.stdout:
                    said.append(line.decode().strip())
                    if said[-1].startswith("do "):
                        await asyncio.to_thread(do, said[-1].removeprefix("do "))
                        process.stdin.write(b"done\n")
                ended = await process.wait()
        except TimeoutError:
            pytest.fail(f"the script still runs after {SCRIPT_SECONDS} s: " + "\n".join(said)[-6000:], pytrace=False)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert ended == 0, "\n".join(said)[-6000:]
        return said[-1]


@pytest.fixture
async def server(
    start: Callable[..., RunningApi], session: AsyncSession, consumer: PhotoConsumer, tmp_path: Path
) -> AsyncIterator[Server]:
    """The API, a provider to sign in with, and somebody who takes photos from the queue."""
    if shutil.which("node") is None or not (FOLDER / "node_modules").is_dir():
        leave_out("the client libraries are not here (needs Node and its package index): make mobile-clients")
    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    with ProviderServer(LocalProvider(PROVIDER_SECRET, frozenset({f"{url}/auth/v1/callback"}))) as provider:
        variables = {
            "PORT": str(port),
            "PUBLIC_URL": url,
            "ANON_KEYS": KEY,
            "JWT_SECRET": SECRET,
            "SIGNING_SECRET": "signs-links-in-tests",
            "CRAWL_COMMAND": "true",
            "RATE_LIMIT_LISTS_PER_MINUTE": "1000",
            "DATABASE_POOL_SIZE": "5",
            "AUTH_SIGNING_KEYS": new_key(),
            "AUTH_SESSION_SECRETS": "s" * 32,
            "AUTH_REDIRECTS": REDIRECT,
        }
        for name in ("GOOGLE", "FACEBOOK"):
            variables[f"AUTH_{name}_CLIENT_ID"] = CLIENT_ID
            variables[f"AUTH_{name}_CLIENT_SECRET"] = PROVIDER_SECRET
            variables[f"AUTH_{name}_ISSUER"] = provider.url
        markets = await seed(session)
        api = await asyncio.to_thread(start, **variables)
        tokens = {"admin": token(ADMIN), "other": token(OTHER), "expired": token(OTHER, -3600)}
        yield Server(api, {"url": url, "key": KEY, "markets": markets, "tokens": tokens}, tmp_path, variables)
