"""A whole project moves in; the second time changes nothing. `make test-faults` does so at the size of the real one."""

import asyncio
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import active_roles, revoke_role
from loppestars_core.events.audit import record_audit
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.storage import open_storage
from loppestars_jobs.importing.command import main
from loppestars_jobs.settings import JobsSettings
from tests.factories.markets import add_market
from tests.factories.photo_consumer import PhotoConsumer, consuming

MARKETS = 40
OLD = "https://old.supabase.co/storage/v1/object/public/stall-photos"
TABLES = ("users", "identities", "role_grants", "markets", "market_redirects", "market_sightings", "ratings")
MORE_TABLES = ("app_events", "photos", "photo_variants", "audit_log", "domain_events")


def name(kind: str, number: int) -> str:
    """A uuid of the old project."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{number}"))


def copy(table: str, columns: str, rows: Iterable[tuple[object, ...]]) -> str:
    """A block of a dump."""
    lines = ["\t".join("\\N" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join([f"COPY {table} ({columns}) FROM stdin;", *lines, "\\.", "", ""])


@dataclass(frozen=True)
class Size:
    """How many rows the old project has; each user rated five places."""

    users: int
    photos: int

    @property
    def ratings(self) -> int:
        return 5 * self.users


# More ratings than are written at once.
SMALL, WHOLE = Size(150, 20), Size(1000, 200)


def make_dump(size: Size) -> str:
    """The old project: every fifth user signed in with Facebook, every photo is of another rating."""
    at = "2025-10-04 10:00:00.123+00"
    users = ((name("user", n), f"user{n}@example.dk", json.dumps({"name": f"User {n}"}), at) for n in range(size.users))
    identities = (
        (name("user", n), f"sub-{n}", json.dumps({"sub": f"sub-{n}"}), "google" if n % 5 else "facebook", at, at)
        for n in range(size.users)
    )
    markets = (
        (name("market", n), f"Loppemarked {n}", f"2025-{1 + n % 9:02}-{1 + n % 28:02}", f"By {n}", 1000 + n - 1, "t")
        for n in range(MARKETS)
    )
    ratings = (
        (
            *(name("rating", n), name("user", n % size.users), name("market", n // size.users * 8 + n % 8)),
            *(f"Bod {n} & søn", "20304050", 1 + n % 10, "stall"),
            f"{OLD}/{name('user', n % size.users)}/{1_700_000_000_000 + n}.jpg" if n < size.photos else None,
            at,
        )
        for n in range(size.ratings)
    )
    broken = [(name("rating", size.ratings), name("user", 1), None, "Bod", None, 5, "stall", None, at)]
    events = (
        (name("event", n), name("user", n), "market_selected", "market", name("market", n % MARKETS), "{}", at, at)
        for n in range(size.users)
    )
    roles = [(name("user", 0), "admin", None), (name("user", 1), "seller", at), (name("user", 2), "organiser", None)]
    return "".join(
        [
            copy("auth.users", "id, email, raw_user_meta_data, created_at", users),
            copy(
                "auth.identities",
                "user_id, provider_id, identity_data, provider, last_sign_in_at, created_at",
                identities,
            ),
            copy("public.markets", "id, name, start_date, city, postal_code, is_outdoor", markets),
            copy(
                "public.ratings",
                "id, user_id, market_id, stall_name, mobilepay_phone, rating, rating_type, photo_url, created_at",
                [*ratings, *broken],
            ),
            copy(
                "public.events",
                "id, user_id, event_type, entity_type, entity_id, metadata, timestamp, created_at",
                events,
            ),
            copy("public.user_roles", "user_id, role, revoked_at", roles),
        ]
    )


@pytest.fixture(params=[SMALL, pytest.param(WHOLE, marks=pytest.mark.faults)], ids=["small", "whole"])
def size(request: pytest.FixtureRequest) -> Size:
    """The size of the old project."""
    chosen: Size = request.param
    return chosen


@pytest.fixture
def old(tmp_path: Path, size: Size) -> Path:
    """The dump and the old bucket, whose photos nobody has made unrecognisable."""
    (tmp_path / "dump.sql").write_text(make_dump(size), encoding="utf-8")
    for number in range(size.photos):
        path = tmp_path / "buckets" / "stall-photos" / name("user", number) / f"{1_700_000_000_000 + number}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"\xff\xd8\xff photo")
    return tmp_path


async def state(session: AsyncSession) -> dict[str, str]:
    """A hash of the content of each table."""
    found = {}
    for table in (*TABLES, *MORE_TABLES):
        content = text(f"SELECT md5(coalesce(string_agg(r::text, '|' ORDER BY r::text), '')) FROM {table} AS r")  # noqa: S608 - ours
        found[table] = (await session.execute(content)).scalar_one()
    await session.rollback()
    return found


class TestImport:
    async def test_twice(  # noqa: PLR0913, PLR0917 - every part of the platform
        self,
        old: Path,
        size: Size,
        session: AsyncSession,
        engine: AsyncEngine,
        database_settings: DatabaseSettings,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Everything arrives, photos under new addresses; a second run, and a dry one before, change nothing."""
        settings = JobsSettings(database_url=database_settings.database_url, storage_dir=str(old / "storage"))
        monkeypatch.setenv("DATABASE_URL", settings.pooled_url)
        monkeypatch.setenv("STORAGE_DIR", str(settings.storage_dir))
        await add_market(session, id=uuid.UUID(name("market", 0)))
        await session.commit()
        empty = await state(session)

        async def run(*options: str) -> dict[str, dict[str, int]]:
            arguments = ["supabase", str(old / "dump.sql"), "--json", *options]
            await asyncio.to_thread(main, arguments)
            return {row["table"]: row for row in json.loads(capsys.readouterr().out)}

        dry = await run("--dry-run")
        assert await state(session) == empty
        photos = ("--photos", str(old / "buckets"))
        async with consuming(settings, PhotoConsumer(engine, open_storage(settings))):
            first = await run(*photos)
            whole = await state(session)
            second = await run(*photos)
        assert await state(session) == whole
        written = {table: row["written"] for table, row in first.items()}
        assert written == {
            "users": size.users,
            "identities": size.users,
            "roles": 2,
            "markets": MARKETS - 1,
            "ratings": size.ratings,
            "events": size.users,
            "photos": size.photos,
        }
        assert {row["written"] for row in second.values()} == {0}
        assert written == {table: row["written"] for table, row in dry.items()} | {"photos": size.photos}
        assert first["ratings"]["why"] == "1 no market_id"
        assert first["roles"]["why"] == "1 revoked"

    async def test_who_was_forgotten(
        self,
        old: Path,
        session: AsyncSession,
        database_settings: DatabaseSettings,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A person who was forgotten here does not come back, nor does a role that was taken away; no old address."""
        monkeypatch.setenv("DATABASE_URL", database_settings.pooled_url)
        monkeypatch.setenv("STORAGE_DIR", str(old / "storage"))
        await record_audit(
            session,
            actor_kind="user",
            actor_id=None,
            action="user.erased",
            subject_type="user",
            subject_id=name("user", 7),
        )
        await session.commit()
        for _ in range(2):
            await asyncio.to_thread(main, ["supabase", str(old / "dump.sql"), "--json"])
            await revoke_role(session, name("user", 0), Role.ADMIN, revoked_by=None, notes="")
            await session.commit()
        report = {row["table"]: row for row in json.loads(capsys.readouterr().out.rpartition("\n[")[2].join(["[", ""]))}
        assert report["users"]["why"] == "1 forgotten here"
        count = text("SELECT count(*) FROM users WHERE id = :user")
        assert (await session.execute(count, {"user": name("user", 7)})).scalar_one() == 0
        assert await active_roles(session, name("user", 0)) == frozenset()
        shown = text("SELECT count(*) FROM ratings WHERE photo_url IS NOT NULL")
        assert (await session.execute(shown)).scalar_one() == 0
