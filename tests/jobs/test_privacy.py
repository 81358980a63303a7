"""Export and erasure of a person: what is given out, and that nothing is left anywhere but the audit log."""

import asyncio
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from structlog.testing import capture_logs

from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import grant_role
from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.engine import sessions
from loppestars_core.kit.clock import now_utc
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.photos import (
    FailureCode,
    NewVariant,
    PhotoOptions,
    PhotoRequest,
    claim_photo,
    complete_photo,
    fail_photo,
    request_photo,
)
from loppestars_core.photos.takedown import decide_takedown, open_takedowns, request_takedown
from loppestars_core.privacy import export as export_module
from loppestars_core.privacy.archive import archive_person
from loppestars_core.privacy.consents import record_consent
from loppestars_core.privacy.erasure import OnLegalHold, PhotoInProgress
from loppestars_core.privacy.export import UserNotFound, check_person
from loppestars_core.privacy.models import Channel, ConsentKind
from loppestars_core.privacy.policies import POLICIES, Erasure, Export
from loppestars_core.privacy.requests import (
    cancel_erasure,
    due_for_erasure,
    note_request,
    request_erasure,
    request_state,
    set_legal_hold,
    warn_of_erasure,
)
from loppestars_core.ratings.models import RatingType
from loppestars_core.ratings.rate import NewRating, rate
from loppestars_core.storage import open_storage
from loppestars_core.storage.interface import CHUNK_BYTES
from loppestars_core.tables import Base
from loppestars_jobs.privacy import erase_now, main
from loppestars_jobs.settings import JobsSettings
from tests.factories.markets import add_market

PERSON, OTHER = "person-to-forget", "other-person"
PHONES = {PERSON: "20304050", OTHER: "60708090"}
ADDRESSES = {PERSON: "anna@mail.example", OTHER: "bo@mail.example"}
TABLES = Base.metadata.tables
# One statement per table that holds something of a person and that no service below fills.
ROWS = """
INSERT INTO favourites (user_id, market_id) VALUES (:user, :market);
INSERT INTO app_events (id, user_id, event_type, entity_type) VALUES (gen_random_uuid(), :user, 'photo_added', 'photo');
INSERT INTO sessions (id, user_id) VALUES (gen_random_uuid(), :user);
INSERT INTO sign_ins (id, provider, redirect_to, user_id) VALUES (gen_random_uuid(), 'google', 'app://', :user);
INSERT INTO market_overrides (market_id, field, value, set_by) VALUES (:market, 'name', '1', :user);
INSERT INTO crawl_runs (id, trigger, state, requested_by) VALUES (gen_random_uuid(), 'api', 'succeeded', :user);
INSERT INTO market_decisions (kind, automatic, market_id, keys, other_keys, made_by)
    VALUES ('same', false, :market, '{}', '{}', :user);
INSERT INTO crawl_quarantine (source, external_id, reason, content_hash, raw, released_by)
    VALUES ('torvet', md5(:user), 'in the past', 'hash', '{}', :user);
INSERT INTO market_claims (id, user_id, market_id) VALUES (gen_random_uuid(), :user, :market);
INSERT INTO notifications (id, user_id, event_id, kind) VALUES (gen_random_uuid(), :user, 1, 'photo_ready');
INSERT INTO notification_deliveries (id, notification_id, channel)
  SELECT gen_random_uuid(), id, 'email' FROM notifications WHERE user_id = :user;
INSERT INTO notification_preferences (user_id) VALUES (:user);
INSERT INTO push_subscriptions (id, user_id, endpoint, p256dh, auth)
  VALUES (gen_random_uuid(), :user, 'https://push.example/' || :user, 'x', 'x');
INSERT INTO rate_limits (key, arrival) VALUES ('photos:' || :user, now());
INSERT INTO rate_windows (key, started, requests) VALUES ('lists:' || :user, 1, 1);
UPDATE users SET email = :email WHERE id = :user;
UPDATE identities SET data = jsonb_build_object('email', :email) WHERE user_id = :user
"""


@pytest.fixture
def settings(database_settings: DatabaseSettings, tmp_path: Path) -> JobsSettings:
    """Storage in a folder."""
    return JobsSettings(database_url=database_settings.database_url, storage_dir=str(tmp_path / "storage"))


@pytest.fixture
async def people(session: AsyncSession, settings: JobsSettings) -> AsyncSession:
    """Two people with something in every table, and files in both buckets."""
    for user in (PERSON, OTHER):
        await fill(session, settings, user, await add_market(session))
    await session.commit()
    return session


async def fill(session: AsyncSession, settings: JobsSettings, user: str, market: UUID) -> None:
    """Everything that is stored of a user."""
    storage = open_storage(settings)
    await ensure_user(session, user, issuer="https://issuer")
    await grant_role(session, user, Role.SELLER, granted_by=user, notes="test")
    for stall in (None, "Bod 7"):
        await rate(
            session,
            NewRating(
                user_id=user,
                market_id=market,
                rating=5,
                rating_type=RatingType.STALL if stall else RatingType.MARKET,
                stall_name=stall,
                mobilepay_phone=PHONES[user],
                photo_url=f"http://api/{user}/x.jpg",
                comment=f"I am {user}",
            ),
        )
    await record_consent(session, user, ConsentKind.TERMS, "1", given=True)
    await note_request(session, user, Channel.APP, confirmed=True)
    photo = await request_photo(session, PhotoRequest(f"{user}/1.jpg", user, PhotoOptions()))
    claim = await claim_photo(session, photo.id)
    assert claim is not None
    result = f"{user}/{photo.id}.jpg"
    variant = NewVariant(settings.processed_bucket, result, "image/jpeg", 1, 1, 1)
    assert await complete_photo(session, claim, variant, faces=1, content_hash="x")
    await storage.put(settings.processed_bucket, result, b"processed", "image/jpeg")
    await storage.put(settings.originals_bucket, f"{user}/1.jpg", b"original", "image/jpeg")
    # Uploaded, and never asked to be processed.
    await storage.put(settings.originals_bucket, f"{user}/2.jpg", b"forgotten", "image/jpeg")
    for statement in ROWS.split(";"):
        filled = statement.replace(":user", f"'{user}'").replace(":market", f"'{market}'")
        await session.execute(text(filled.replace(":email", f"'{ADDRESSES[user]}'")))


async def tables_that_name(session: AsyncSession, user: str) -> set[str]:
    """Every table of the database, the queue's too, in which a row has the user's id, address or phone anywhere."""
    names = await session.execute(
        text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')")
    )
    found = set()
    for name in names.scalars().all():
        rows = text(f"SELECT EXISTS (SELECT FROM {name} AS r WHERE r::text ~ :traces)")  # noqa: S608 - our own names
        traces = "|".join((user, ADDRESSES[user], PHONES[user]))
        if (await session.execute(rows, {"traces": traces})).scalar_one():
            found.add(name)
    return found


def files_of(settings: JobsSettings, user: str) -> list[Path]:
    """Whatever in the buckets has the user in its path."""
    root = Path(str(settings.storage_dir))
    return [path for path in root.rglob("*") if path.is_file() and user in str(path.relative_to(root))]


async def copy_of(engine: AsyncEngine, settings: JobsSettings, user: str) -> zipfile.ZipFile:
    """The person's archive as a client gets it."""
    buckets = (settings.originals_bucket, settings.processed_bucket)
    data = b""
    async for chunk in archive_person(engine, TABLES, open_storage(settings), buckets, user):
        data += chunk
    return zipfile.ZipFile(io.BytesIO(data))


class TestExport:
    async def test_every_table(
        self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each table that the registry exports has a row of the person, and none of another, in pages of any size."""
        monkeypatch.setattr(export_module, "_PAGE", 1)
        await check_person(people, PERSON, actor_id=PERSON)
        await people.commit()
        archive = await copy_of(engine, settings, PERSON)
        exported = json.loads(archive.read("data.json"))
        wanted = {name for name, policy in POLICIES.items() if policy.export is Export.ROWS}
        assert {name for name, rows in exported.items() if rows} == wanted
        assert len(exported["ratings"]) == 2
        assert OTHER not in json.dumps(exported)
        assert archive.testzip() is None
        assert {archive.read(name) for name in archive.namelist()} >= {b"original", b"processed", b"forgotten"}

    async def test_memory(self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings) -> None:
        """A photo passes in chunks: no part of the archive is larger than one of them and its headers."""
        assert people is not None
        storage = open_storage(settings)
        await storage.put(settings.originals_bucket, f"{PERSON}/3.jpg", b"x" * 5_000_000, "image/jpeg")
        buckets = (settings.originals_bucket, settings.processed_bucket)
        sizes = [len(chunk) async for chunk in archive_person(engine, TABLES, storage, buckets, PERSON)]
        assert sum(sizes) > 5_000_000
        assert max(sizes) < 2 * CHUNK_BYTES + 10_000

    async def test_nobody(self, session: AsyncSession) -> None:
        """An id that is not there."""
        with pytest.raises(UserNotFound):
            await check_person(session, "nobody", actor_id=None)

    async def test_archive(
        self, people: AsyncSession, settings: JobsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The command writes rows and the bytes of photos."""
        assert people is not None
        monkeypatch.setenv("DATABASE_URL", settings.pooled_url)
        monkeypatch.setenv("STORAGE_DIR", str(settings.storage_dir))
        await in_thread(["export", PERSON, "-o", str(tmp_path / "copy.zip")])
        with zipfile.ZipFile(tmp_path / "copy.zip") as archive:
            assert json.loads(archive.read("data.json"))["users"][0]["id"] == PERSON
            assert archive.read(f"stall-photos/{PERSON}/1.jpg") == b"original"
            assert b"processed" in [archive.read(name) for name in archive.namelist()]


class TestErasure:
    async def test_nothing_is_left(self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings) -> None:
        """No table, bucket or log names the person afterwards but the audit log, by id; another has everything."""
        await request_erasure(people, PERSON, actor_id=PERSON)
        await people.commit()
        before = await tables_that_name(people, OTHER)
        erased_ones = {Erasure.DELETE, Erasure.DETACH, Erasure.ANONYMISE}
        assert await tables_that_name(people, PERSON) >= {
            name for name, policy in POLICIES.items() if policy.erasure in erased_ones
        } - {"photo_variants", "takedowns", "notification_deliveries"}
        with capture_logs() as logs:
            erased = await erase_now(settings, engine, open_storage(settings), PERSON)
        await people.rollback()
        assert await tables_that_name(people, PERSON) == {"audit_log"}
        audit = "SELECT EXISTS (SELECT FROM audit_log AS r WHERE r::text ~ :traces)"
        values = {"traces": f"{ADDRESSES[PERSON]}|{PHONES[PERSON]}"}
        assert (await people.execute(text(audit), values)).scalar_one() is False
        assert not [name for name in (PERSON, ADDRESSES[PERSON], PHONES[PERSON]) if name in str(logs)]
        assert files_of(settings, PERSON) == []
        assert erased.objects == 3
        assert await tables_that_name(people, OTHER) == before
        assert len(files_of(settings, OTHER)) == 3

    async def test_ratings_stay_without_a_name(
        self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings
    ) -> None:
        """The numbers count on; nothing says whose they were, nor that two of them are one person's."""
        await erase_now(settings, engine, open_storage(settings), PERSON)
        await people.rollback()
        rows = "SELECT user_id, rating, mobilepay_phone, photo_url, comment FROM ratings WHERE user_id <> :other"
        left = (await people.execute(text(rows), {"other": OTHER})).all()
        assert len({row.user_id for row in left}) == 2
        assert [(row.rating, row.mobilepay_phone, row.photo_url, row.comment) for row in left] == [
            (5, None, None, None)
        ] * 2

    async def test_photo_in_progress(self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings) -> None:
        """While a worker has a photo nothing goes that it could write again; when it has given up all is gone."""
        storage = open_storage(settings)
        photo = await request_photo(people, PhotoRequest(f"{PERSON}/9.jpg", PERSON, PhotoOptions()))
        claim = await claim_photo(people, photo.id)
        await people.commit()
        assert claim is not None
        with pytest.raises(PhotoInProgress):
            await erase_now(settings, engine, storage, PERSON)
        # The worker writes its result, and is killed before it can record it.
        await storage.put(settings.processed_bucket, f"{PERSON}/late.jpg", b"late", "image/jpeg")
        assert await fail_photo(people, claim, FailureCode.WORKER_DIED)
        await people.commit()
        await erase_now(settings, engine, storage, PERSON)
        assert files_of(settings, PERSON) == []

    async def test_finished_meanwhile(self, people: AsyncSession) -> None:
        """What a worker finishes after its owner asked to be forgotten is never shown; taking it back shows it."""
        photo = await request_photo(people, PhotoRequest(f"{PERSON}/9.jpg", PERSON, PhotoOptions()))
        claim = await claim_photo(people, photo.id)
        await request_erasure(people, PERSON, actor_id=PERSON)
        assert claim is not None
        variant = NewVariant("b", f"{PERSON}/late.jpg", "image/jpeg", 1, 1, 1)
        assert await complete_photo(people, claim, variant, faces=1, content_hash="x")
        visible = text("SELECT visibility FROM photos WHERE id = :photo")
        assert (await people.execute(visible, {"photo": photo.id})).scalar_one() == "withdrawn"
        assert await cancel_erasure(people, PERSON, actor_id=PERSON)
        assert (await people.execute(visible, {"photo": photo.id})).scalar_one() == "public"

    async def test_taken_down_stays_hidden(self, people: AsyncSession) -> None:
        """A photo that was hidden for another reason does not come back with its owner."""
        photos = (
            await people.execute(text("SELECT id FROM photos WHERE owner_id = :user"), {"user": PERSON})
        ).scalars()
        photo = photos.one()
        assert await request_takedown(people, photo, reason="me", contact=None)
        await request_erasure(people, PERSON, actor_id=PERSON)
        assert await cancel_erasure(people, PERSON, actor_id=PERSON)
        seen = text("SELECT visibility, withdrawn_for FROM photos WHERE id = :photo")
        assert (await people.execute(seen, {"photo": photo})).one() == ("withdrawn", "takedown")
        # And the other way round: asked for while the owner is leaving.
        await request_erasure(people, PERSON, actor_id=PERSON)
        request = (await open_takedowns(people, limit=10, offset=0))[0].takedown.id
        assert await decide_takedown(people, request, confirm=False, moderator=OTHER, note=None) == []
        assert (await people.execute(seen, {"photo": photo})).one() == ("withdrawn", "erasure")
        assert await cancel_erasure(people, PERSON, actor_id=PERSON)
        assert (await people.execute(seen, {"photo": photo})).one() == ("public", None)

    async def test_again(self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings) -> None:
        """A second time there is nobody to forget."""
        assert people is not None
        await erase_now(settings, engine, open_storage(settings), PERSON)
        with pytest.raises(UserNotFound):
            await erase_now(settings, engine, open_storage(settings), PERSON)

    async def test_grace(self, people: AsyncSession) -> None:
        """At once photos are withdrawn and sessions end; the rest waits, and can be taken back."""
        grace = timedelta(days=30)
        await request_erasure(people, PERSON, actor_id=PERSON)
        visible = text("SELECT visibility FROM photos WHERE owner_id = :user")
        open_ones = text("SELECT count(*) FROM sessions WHERE user_id = :user AND ended_at IS NULL")
        assert (await people.execute(visible, {"user": PERSON})).scalar_one() == "withdrawn"
        assert (await people.execute(open_ones, {"user": PERSON})).scalar_one() == 0
        assert await due_for_erasure(people, now_utc() + timedelta(days=29), grace) == []
        assert await due_for_erasure(people, now_utc() + timedelta(days=31), grace) == [PERSON]
        assert await cancel_erasure(people, PERSON, actor_id=PERSON)
        assert (await people.execute(visible, {"user": PERSON})).scalar_one() == "public"
        assert await due_for_erasure(people, now_utc() + timedelta(days=31), grace) == []

    async def test_warnings(self, people: AsyncSession) -> None:
        """At 7, 3 and 1 days, each once; after a pause only the nearest; none after it was taken back."""
        grace, start = timedelta(days=30), await request_erasure(people, PERSON, actor_id=PERSON)
        events = text("SELECT payload ->> 'days' FROM domain_events WHERE event = 'user.erasure_warning' ORDER BY id")

        async def warned_on(day: float) -> list[str]:
            await warn_of_erasure(people, start + timedelta(days=day), grace)
            return list((await people.execute(events)).scalars())

        assert await warned_on(22.9) == []
        assert await warned_on(23) == await warned_on(24) == ["7"]
        assert await warned_on(29.5) == await warned_on(29.6) == ["7", "1"]
        assert await cancel_erasure(people, PERSON, actor_id=PERSON)
        assert await warned_on(29.7) == ["7", "1"]

    async def test_state_of_a_request(self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings) -> None:
        """Whoever has the code sees that it is done when the user is gone."""
        code = await note_request(people, PERSON, Channel.FACEBOOK, confirmed=True)
        asked_at = await request_erasure(people, PERSON, actor_id=None)
        await people.commit()
        state = await request_state(people, code)
        assert state is not None
        assert (state.asked_at, state.done) == (asked_at, False)
        await people.rollback()
        await erase_now(settings, engine, open_storage(settings), PERSON)
        state = await request_state(people, code)
        assert state is not None
        assert (state.asked_at, state.done) == (None, True)

    async def test_legal_hold(self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings) -> None:
        """Nothing goes while it lasts, whoever asks."""
        await set_legal_hold(people, PERSON, hold=True, actor_id=None)
        await request_erasure(people, PERSON, actor_id=None)
        assert await due_for_erasure(people, now_utc() + timedelta(days=400), timedelta(0)) == []
        await people.commit()
        with pytest.raises(OnLegalHold):
            await erase_now(settings, engine, open_storage(settings), PERSON)
        assert len(files_of(settings, PERSON)) == 3
        async with sessions(engine).begin() as session:
            await set_legal_hold(session, PERSON, hold=False, actor_id=None)
        assert (await erase_now(settings, engine, open_storage(settings), PERSON)).objects == 3

    async def test_audited(self, people: AsyncSession, engine: AsyncEngine, settings: JobsSettings) -> None:
        """Who asked for what is kept."""
        await check_person(people, PERSON, actor_id=PERSON)
        await request_erasure(people, PERSON, actor_id=PERSON)
        await people.commit()
        await erase_now(settings, engine, open_storage(settings), PERSON)
        actions = text("SELECT action FROM audit_log WHERE subject_id = :user ORDER BY id")
        found = await people.execute(actions, {"user": PERSON})
        assert [action for action in found.scalars() if action.startswith("user.")] == [
            "user.exported",
            "user.erasure_requested",
            "user.erased",
        ]

    async def test_command(
        self,
        people: AsyncSession,
        settings: JobsSettings,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """It says when, and with --now that it is done."""
        monkeypatch.setenv("DATABASE_URL", settings.pooled_url)
        monkeypatch.setenv("STORAGE_DIR", str(settings.storage_dir))
        await in_thread(["erase", PERSON])
        assert "will be forgotten on" in capsys.readouterr().out
        await in_thread(["erase", PERSON, "--now"])
        assert f"{PERSON} is forgotten: 3 files" in capsys.readouterr().out
        await people.rollback()
        assert "users" not in await tables_that_name(people, PERSON)


async def in_thread(arguments: list[str]) -> None:
    """Run the command, which has an event loop of its own."""
    await asyncio.to_thread(main, arguments)
