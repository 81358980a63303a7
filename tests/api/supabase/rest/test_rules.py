"""The rules hold twice: by PostgreSQL with the dialect's own switched off, and by the dialect without PostgreSQL's."""

import uuid
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_api.supabase.rest.resources import OFFER
from loppestars_core.database.rows.offered import Offer, offer_all
from loppestars_core.tables import Base
from tests.api.supabase.rest.conftest import ADMIN, ME, OTHER, Serve, World

PERSONAL = (
    *("users", "identities", "role_grants", "sessions", "sign_ins", "photos", "photo_variants", "favourites"),
    *("app_events", "market_claims", "notifications", "notification_deliveries", "notification_preferences"),
    *("push_subscriptions", "consents", "erasure_requests", "takedowns", "scraping_logs"),
)
RETURN = {"Prefer": "return=representation"}
# Everything in the tables, by table, but for what each request leaves of itself.
ROWS = " UNION ALL ".join(
    f"SELECT '{name}', md5(coalesce(string_agg(t::text, ';' ORDER BY t::text), '')) FROM {name} AS t"  # noqa: S608 - names of tables
    for name in Base.metadata.tables
    if name not in {"rate_limits", "rate_windows"}
)

# What somebody tries who is not allowed to: method, path, body.
ATTEMPTS: list[tuple[str, str, Any]] = [
    (
        "POST",
        "ratings",
        {"id": str(uuid.uuid4()), "user_id": OTHER, "market_id": "<soon>", "rating": 1, "rating_type": "market"},
    ),
    ("PATCH", "ratings?id=eq.<user-other-market>", {"rating": 1}),
    ("PATCH", f"ratings?user_id=eq.{OTHER}", {"user_id": ME}),
    ("PATCH", "ratings?id=eq.<user-me-market>", {"user_id": OTHER, "stall_name": "x"}),
    ("DELETE", "ratings?id=eq.<user-other-market>", None),
    ("POST", "favourites", {"user_id": OTHER, "market_id": "<now>"}),
    ("DELETE", f"favourites?user_id=eq.{OTHER}", None),
    ("POST", "role_grants", {"user_id": ME, "role": "admin"}),
    ("PATCH", f"role_grants?user_id=eq.{ADMIN}", {"user_id": ME}),
    ("DELETE", f"role_grants?user_id=eq.{ADMIN}", None),
    ("PATCH", f"users?id=eq.{OTHER}", {"email": "mine@example.com"}),
    ("DELETE", f"users?id=eq.{OTHER}", None),
    ("PATCH", f"photos?owner_id=eq.{OTHER}", {"owner_id": ME}),
    ("PATCH", f"photos?owner_id=eq.{OTHER}", {"visibility": "public"}),
    ("DELETE", f"photos?owner_id=eq.{OTHER}", None),
    ("PATCH", "photo_variants?photo_id=not.is.null", {"key": "mine.jpg"}),
    ("PATCH", f"sessions?user_id=eq.{OTHER}", {"user_id": ME}),
    ("POST", "sessions", {"id": str(uuid.uuid4()), "user_id": OTHER}),
    (
        "POST",
        "app_events",
        {"id": str(uuid.uuid4()), "user_id": OTHER, "event_type": "photo_added", "entity_type": "photo"},
    ),
    ("POST", "events", {"user_id": OTHER, "event_type": "photo_added", "entity_type": "photo"}),
    ("POST", "scraping_logs", {"id": str(uuid.uuid4()), "status": "mine"}),
    ("PATCH", f"consents?user_id=eq.{OTHER}", {"version": "9"}),
    ("PATCH", f"notifications?user_id=eq.{OTHER}", {"read_at": "2026-01-01T00:00:00Z"}),
    ("DELETE", f"push_subscriptions?user_id=eq.{OTHER}", None),
    ("POST", "erasure_requests", {"user_id": OTHER}),
    ("PATCH", "audit_log?action=not.is.null", {"action": "nothing"}),
    ("DELETE", "audit_log?action=not.is.null", None),
]


@pytest.fixture
async def filled(session: AsyncSession, ids: dict[str, str]) -> dict[str, str]:
    """Personal rows of another user in the tables that matter most."""
    for statement in (
        "INSERT INTO favourites (user_id, market_id) VALUES (:user, CAST(:market AS uuid))",
        """INSERT INTO app_events (id, user_id, event_type, entity_type)
           VALUES (gen_random_uuid(), :user, 'photo_added', 'photo')""",
        "INSERT INTO sessions (id, user_id) VALUES (gen_random_uuid(), :user)",
        "INSERT INTO photos (id, owner_id, original_key) VALUES (gen_random_uuid(), :user, 'other/1.jpg')",
        "INSERT INTO scraping_logs (id, status) VALUES (gen_random_uuid(), 'ok')",
        "INSERT INTO audit_log (actor_kind, action, subject_type, subject_id) VALUES ('user', 'x', 'user', :user)",
    ):
        await session.execute(text(statement), {"user": OTHER, "market": ids["now"]})
    await session.commit()
    return ids


async def everything(engine: AsyncEngine) -> dict[str, str]:
    """A hash of all rows of each table."""
    async with engine.connect() as connection:
        found = await connection.execute(text(ROWS))
        return {row[0]: row[1] for row in found}


async def attempt(world: World, who: str, engine: AsyncEngine) -> list[Any]:
    """Try everything as somebody; return what came of it that must not."""
    await world.ask("GET", "markets?limit=1", who)  # the first request of a user writes them down
    before = await everything(engine)
    done = []
    for method, path, body in ATTEMPTS:
        filled = {key: world.ids.get(str(value).strip("<>"), value) for key, value in (body or {}).items()}
        answer = await world.ask(method, path, who, json=filled, headers=RETURN)
        if answer.is_success and answer.json():
            done.append((method, path, answer.text[:200]))
        after = await everything(engine)
        done.extend((method, path, name) for name in before if before[name] != after[name])
        before = after
    for table in PERSONAL:
        answer = await world.ask("GET", f"{table}?select=*", who)
        shown = answer.json() if answer.status_code == HTTPStatus.OK else []
        if shown and (who == "anon" or OTHER in answer.text or ADMIN in answer.text):
            done.append(("GET", table, answer.text[:200]))
    return done


async def offered_whole(engine: AsyncEngine) -> Offer:
    """Every table as it is, to everybody."""
    metadata = MetaData()
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: metadata.reflect(sync, only=list(Base.metadata.tables)))
    return offer_all(metadata.sorted_tables)


async def without_policies(engine: AsyncEngine) -> None:
    """Switch PostgreSQL's rules off."""
    async with engine.begin() as connection:
        found = await connection.execute(text("SELECT relname FROM pg_class WHERE relrowsecurity AND relkind = 'r'"))
        tables = list(found.scalars())
        assert set(tables) >= {"ratings", "favourites", "photos", "users"}
        for table in tables:
            await connection.execute(text(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"))
            await connection.execute(text(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"))


@pytest.mark.parametrize("who", ["anon", ME])
class TestRules:
    @pytest.mark.parametrize("rules", ["postgres", "dialect"])
    async def test_hold_alone(
        self, serve: Serve, engine: AsyncEngine, filled: dict[str, str], rules: str, who: str
    ) -> None:
        """By PostgreSQL alone every table is offered whole to everybody; by the dialect alone no policy is in force."""
        if rules == "dialect":
            await without_policies(engine)
        offer = await offered_whole(engine) if rules == "postgres" else OFFER
        async with serve(offer, filled) as world:
            done = await attempt(world, who, engine)
        assert not done, "\n".join(str(found) for found in done)

    async def test_are_what_holds(self, serve: Serve, engine: AsyncEngine, filled: dict[str, str], who: str) -> None:
        """With neither, the attempts succeed: they are attempts."""
        await without_policies(engine)
        async with serve(await offered_whole(engine), filled) as world:
            done = await attempt(world, who, engine)
        assert len({(method, path) for method, path, _ in done}) > len(ATTEMPTS) / 2
