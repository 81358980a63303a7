"""Who may see and write what, in PostgreSQL alone: as the owner of the tables and as the roles of components."""

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.access import ANONYMOUS, SYSTEM, AccessRole, Actor, act_as
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.database.grants import COMPONENTS, GRANTS, RoleMissing, grant
from loppestars_core.database.migrate import MigrateSettings, migration_engine
from loppestars_core.events.audit import record_audit
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.photos import PhotoOptions, PhotoRequest, request_photo
from loppestars_core.ratings.models import RatingType
from loppestars_core.ratings.rate import NewRating, rate
from loppestars_core.tables import Base
from loppestars_local.postgres import EmbeddedPostgres
from tests.factories.markets import add_market

U1, U2, ADMIN = (Actor(AccessRole.USER, "u1"), Actor(AccessRole.USER, "u2"), Actor(AccessRole.ADMIN, "a"))
PERSONAL = ("ratings", "favourites", "app_events", "sessions", "users", "identities", "photos", "photo_variants")


@pytest.fixture
def roles(postgres: EmbeddedPostgres, database_url: str) -> Iterator[dict[str, str]]:
    """A role for each component, made by somebody who may, and granted what it needs by the owner."""
    mark = uuid.uuid4().hex[:8]
    names = {component: f"{component}_{mark}" for component in COMPONENTS}
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        for name in names.values():
            server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    with migration_engine(database_url).connect() as connection:
        grant(connection, names)
    yield names
    with psycopg.connect(postgres.url(database_url.rpartition("/")[2].partition("?")[0]), autocommit=True) as server:
        for name in names.values():
            server.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture(params=["owner", "api"])
async def acting(
    request: pytest.FixtureRequest, database_url: str, roles: dict[str, str]
) -> AsyncIterator[AsyncEngine]:
    """An engine as a component has it: with the owner's URL, and with a role of its own."""
    url = database_url if request.param == "owner" else _url_of(database_url, roles["api"])
    engine = create_engine(DatabaseSettings(database_url=SecretStr(url)))
    async with sessions(engine).begin() as session:
        await fill(session)
    yield engine
    await engine.dispose()


def _url_of(url: str, role: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}@{rest.partition('@')[2]}"


async def fill(session: AsyncSession) -> None:
    """Two users, each with a rating, a favourite, an event, a session and a photo."""
    market = await add_market(session)
    for user in ("u1", "u2"):
        await ensure_user(session, user, issuer="https://issuer")
        await rate(session, NewRating(user_id=user, market_id=market, rating=5, rating_type=RatingType.MARKET))
        await request_photo(session, PhotoRequest(f"{user}/1.jpg", user, PhotoOptions()))
        values = {"user": user, "market": market}
        for statement in (
            "INSERT INTO favourites (user_id, market_id) VALUES (:user, :market)",
            """INSERT INTO app_events (id, user_id, event_type, entity_type)
               VALUES (gen_random_uuid(), :user, 'photo_added', 'photo')""",
            "INSERT INTO sessions (id, user_id) VALUES (gen_random_uuid(), :user)",
        ):
            await session.execute(text(statement), values)


async def run(engine: AsyncEngine, actor: Actor, statement: str) -> Any:
    """Rows, or the number of rows that a statement changed; nothing stays."""
    async with sessions(engine)() as session:
        await act_as(session, actor)
        result: Any = await session.execute(text(statement))
        found = [tuple(row) for row in result] if result.returns_rows else result.rowcount
        await session.rollback()
    return found


class TestRules:
    @pytest.mark.parametrize("table", ["favourites", "app_events", "sessions"])
    async def test_own_rows_only(self, acting: AsyncEngine, table: str) -> None:
        """A user sees and changes their own; the others' are not there, for an anonymous caller none is."""
        owners = f"SELECT user_id FROM {table} ORDER BY user_id"  # noqa: S608 - names in this file
        assert await run(acting, U1, owners) == [("u1",)]
        assert await run(acting, ANONYMOUS, owners) == []
        assert await run(acting, SYSTEM, owners) == [("u1",), ("u2",)]
        assert await run(acting, U2, f"DELETE FROM {table} WHERE user_id = 'u1'") == 0  # noqa: S608 - names in this file
        assert await run(acting, U1, f"UPDATE {table} SET created_at = now()") == 1  # noqa: S608 - names in this file

    async def test_ratings(self, acting: AsyncEngine) -> None:
        """All are read by everybody; each is written by its visitor."""
        assert await run(acting, ANONYMOUS, "SELECT count(*) FROM ratings") == [(2,)]
        assert await run(acting, U1, "UPDATE ratings SET rating = 1") == 1
        assert await run(acting, U1, "DELETE FROM ratings WHERE user_id = 'u2'") == 0
        assert await run(acting, ADMIN, "DELETE FROM ratings") == 2
        with pytest.raises(DBAPIError, match="row-level security"):
            await run(
                acting,
                U2,
                "INSERT INTO ratings (id, user_id, market_id, stall_name, rating, rating_type)"
                " SELECT gen_random_uuid(), 'u1', id, 'Bod 7', 1, 'stall' FROM markets",
            )
        with pytest.raises(DBAPIError, match="row-level security"):
            await run(acting, U1, "UPDATE ratings SET user_id = 'u2', stall_name = 'x' WHERE user_id = 'u1'")

    async def test_users(self, acting: AsyncEngine) -> None:
        """One's own row and identities; admins see all."""
        assert await run(acting, U1, "SELECT id FROM users") == [("u1",)]
        assert await run(acting, U1, "SELECT user_id FROM identities") == [("u1",)]
        assert await run(acting, ANONYMOUS, "SELECT id FROM users") == []
        assert await run(acting, ADMIN, "SELECT count(*) FROM users") == [(2,)]

    async def test_role_grants(self, acting: AsyncEngine) -> None:
        """A user cannot make themselves an admin."""
        with pytest.raises(DBAPIError, match="row-level security"):
            await run(acting, U1, "INSERT INTO role_grants (user_id, role) VALUES ('u1', 'admin')")

    async def test_photos(self, acting: AsyncEngine) -> None:
        """Others' photos are seen once they are public."""
        assert await run(acting, U1, "SELECT owner_id FROM photos") == [("u1",)]
        async with sessions(acting).begin() as session:
            await session.execute(
                text("UPDATE photos SET visibility = 'public', state = 'no_faces' WHERE owner_id = 'u2'")
            )
        assert await run(acting, U1, "SELECT owner_id FROM photos ORDER BY 1") == [("u1",), ("u2",)]
        assert await run(acting, U1, "UPDATE photos SET visibility = 'withdrawn'") == 1

    async def test_ends_with_the_transaction(self, acting: AsyncEngine) -> None:
        """The next transaction on the same connection acts for the system again, and for no user."""
        await run(acting, U1, "SELECT 1")
        async with sessions(acting)() as session:
            assert (await session.execute(text("SELECT count(*) FROM users"))).scalar_one() == 2
            named = "SELECT current_setting('loppestars.user_id', true)"
            assert (await session.execute(text(named))).scalar_one() in {None, ""}

    async def test_says_nothing(self, database_url: str, acting: AsyncEngine) -> None:
        """A connection that says no role sees no rating, favourite, event or session, also as the owner."""
        assert acting is not None
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            for table in ("ratings", "favourites", "app_events", "sessions"):
                found = await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
                assert await found.fetchone() == (0,)

    async def test_forced(self, session: AsyncSession) -> None:
        """The owner of the tables, no superuser, is held to the rules as well."""
        found = await session.execute(
            text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND relkind = 'r'")
        )
        assert set(PERSONAL) <= set(found.scalars())
        who = "SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
        assert (await session.execute(text(who))).scalar_one() is False


class TestPooler:
    async def test_each_transaction_says_it(self, database_url: str) -> None:
        """Behind a pooler no connection keeps a setting: sessions of the system still see everything."""
        settings = DatabaseSettings(database_url=SecretStr(database_url), database_direct_url=SecretStr(database_url))
        engine = create_engine(settings)
        async with sessions(engine).begin() as session:
            await fill(session)
        async with sessions(engine)() as session:
            assert (await session.execute(text("SELECT count(*) FROM ratings"))).scalar_one() == 2
        await engine.dispose()


class TestGrants:
    def test_every_table_is_decided(self) -> None:
        """A new table fails here until it is said which component may touch it."""
        assert set(GRANTS) == set(Base.metadata.tables)

    @pytest.mark.parametrize(
        ("component", "statement"),
        [
            ("crawler", "SELECT * FROM ratings"),
            ("crawler", "SELECT * FROM photos"),
            ("crawler", "UPDATE users SET created_at = now()"),
            ("imaging", "SELECT * FROM sessions"),
            ("imaging", "DELETE FROM markets"),
            ("imaging", "SELECT * FROM audit_log"),
            ("api", "DELETE FROM audit_log"),
            ("api", "UPDATE audit_log SET action = 'x'"),
            ("jobs", "UPDATE audit_log SET action = 'x'"),
            ("jobs", "INSERT INTO role_grants (user_id, role) VALUES ('u1', 'admin')"),
            ("api", "CREATE TABLE mine (id int)"),
            ("api", "DROP TABLE markets"),
            ("crawler", "SELECT * FROM procrastinate_jobs"),
        ],
    )
    def test_refused(self, database_url: str, roles: dict[str, str], component: str, statement: str) -> None:
        """What is another component's business."""
        with (
            psycopg.connect(_url_of(database_url, roles[component])) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)  # type: ignore[call-overload]

    def test_missing_role(self, database_url: str) -> None:
        """It is said which role is missing; nothing is made."""
        missing = pytest.raises(RoleMissing, match="'nobody_here' of api does not exist")
        with migration_engine(database_url).connect() as connection, missing:
            grant(connection, {"api": "nobody_here"})

    def test_names_from_urls(self) -> None:
        """A role is given by its name, or by the URL that its component uses."""
        settings = MigrateSettings(
            database_url=SecretStr("postgresql://o@localhost/x"),
            api_role="postgresql://api:secret@localhost/x",  # type: ignore[arg-type]
            jobs_role="jobs",  # type: ignore[arg-type]
        )
        assert settings.roles == {"api": "api", "jobs": "jobs"}


class TestAudit:
    @pytest.mark.parametrize(
        "statement", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
    )
    async def test_only_grows(self, session: AsyncSession, statement: str) -> None:
        """Also for the owner: what was written stays as it is."""
        await record_audit(session, actor_kind="user", actor_id="u1", action="a", subject_type="user", subject_id="u1")
        with pytest.raises(DBAPIError, match="only grows"):
            await session.execute(text(statement))

    async def test_retention(self, session: AsyncSession) -> None:
        """Entries whose time is over may go."""
        await session.execute(
            text(
                "INSERT INTO audit_log (actor_kind, action, subject_type, subject_id, at)"
                " VALUES ('user', 'x', 'x', 'x', now() - interval '731 days')"
            )
        )
        result: Any = await session.execute(text("DELETE FROM audit_log"))
        assert result.rowcount == 1
