"""Events become notifications: who is told, exactly once, also when the reader is killed."""

import asyncio
import os
import threading
import uuid
from datetime import date, timedelta
from pathlib import Path

import psycopg
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.engine import connection_arguments, sessions
from loppestars_core.events.domain_events import record_event
from loppestars_core.favourites.favourites import add_favourite
from loppestars_core.notifications.models import PushSubscription
from loppestars_core.notifications.store import set_preferences
from loppestars_core.photos import (
    NewVariant,
    PhotoOptions,
    PhotoRequest,
    claim_photo,
    complete_photo,
    request_photo,
)
from loppestars_core.privacy.requests import ERASURE_LINK, ERASURE_WARNING, ask_by_email
from loppestars_jobs.notifying.reader import read_events
from tests.factories.event_reader import main
from tests.factories.forked import ForkedProcess
from tests.factories.markets import add_market

ME, OTHER, NOBODY = "mette", "ole", "somebody-else"
SOON = date(2099, 6, 6)
TOLD = "SELECT user_id, kind FROM notifications ORDER BY created_at, user_id"


async def favourite(session: AsyncSession, *users: str, end_date: date = SOON) -> uuid.UUID:
    """A market that these users keep an eye on, and one does not."""
    market = await add_market(session, name="Torvet", start_date=end_date, end_date=end_date)
    for user in (*users, NOBODY):
        await ensure_user(session, user)
    for user in users:
        await add_favourite(session, user, market)
    await session.commit()
    return market


async def told(engine: AsyncEngine, session: AsyncSession) -> list[tuple[str, str]]:
    """Whom the events that are there now are told to."""
    await session.commit()
    await read_events(engine, "http://api.test")
    found = [(row.user_id, row.kind) for row in await session.execute(text(TOLD))]
    await session.execute(text("DELETE FROM notifications"))
    await session.commit()
    return found


class TestRecipients:
    async def test_favourites(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """Called off, postponed, vanished and moved: those who keep an eye on it, and nobody else."""
        market = await favourite(session, ME, OTHER)
        for event, payload, kind in (
            ("market.cancelled", {}, "market_cancelled"),
            ("market.postponed", {}, "market_cancelled"),
            ("market.vanished", {}, "market_vanished"),
            ("market.changed", {"fields": ["start_date", "name"]}, "market_moved"),
        ):
            await record_event(session, "market", market, event, payload)
            assert await told(engine, session) == [(ME, kind), (OTHER, kind)]
        for event, payload in (("market.changed", {"fields": ["description"]}), ("market.created", {})):
            await record_event(session, "market", market, event, payload)
            assert await told(engine, session) == []

    async def test_over(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """A market that is over, or gone, concerns nobody."""
        market = await favourite(session, ME, end_date=date(2020, 1, 1))
        for subject in (market, uuid.uuid4()):
            await record_event(session, "market", subject, "market.cancelled")
        assert await told(engine, session) == []

    async def test_photo(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """The owner; by message only where it took longer than the app waits."""
        await ensure_user(session, ME)
        await session.execute(text("UPDATE users SET email = 'me@example.dk'"))
        for number, age in enumerate(("0 seconds", "1 minute")):
            photo = await request_photo(session, PhotoRequest(f"{ME}/{number}.jpg", ME, PhotoOptions()))
            claim = await claim_photo(session, photo.id)
            assert claim is not None
            await session.execute(
                text("UPDATE photos SET created_at = now() - CAST(:age AS text)::interval WHERE id = :id"),
                {"id": photo.id, "age": age},
            )
            variant = NewVariant("b", f"{number}", "image/jpeg", 1, 1, 1)
            assert await complete_photo(session, claim, variant, faces=1, content_hash="x")
            await session.commit()
            await read_events(engine, "http://api.test")
            sent = await session.execute(text("SELECT count(*) FROM notification_deliveries"))
            assert sent.scalar_one() == number
        assert (await session.execute(text("SELECT count(*) FROM notifications"))).scalar_one() == 2

    async def test_account(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """Warnings of deletion, links and claims; a person who is gone is not told any more."""
        await ensure_user(session, ME)
        await session.execute(text("UPDATE users SET email = 'me@example.dk'"))
        await record_event(session, "user", ME, ERASURE_WARNING, {"days": 3, "due_on": "2026-06-01"})
        await record_event(session, "user", NOBODY, ERASURE_WARNING, {"days": 3, "due_on": "2026-06-01"})
        assert await told(engine, session) == [(ME, "erasure_warning")]
        await record_event(session, "user", ME, ERASURE_LINK)
        assert await told(engine, session) == []
        await ask_by_email(session, "ME@example.dk", younger_than=timedelta(minutes=15))
        assert await told(engine, session) == [(ME, "erasure_link")]
        market = await add_market(session)
        await record_event(session, "user", ME, "user.claim_granted", {"market_id": str(market)})
        assert await told(engine, session) == [(ME, "claim_decided")]

    async def test_deliveries(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """By e-mail where there is an address, to each device, and not what was muted."""
        market = await favourite(session, ME, OTHER)
        await session.execute(text("UPDATE users SET email = id || '@example.dk'"))
        for number in range(2):
            values = {"user_id": ME, "endpoint": f"https://push/{number}", "p256dh": "x", "auth": "x"}
            await session.execute(insert(PushSubscription).values(id=uuid.uuid4(), **values))
        await set_preferences(session, OTHER, {"muted": ["market_cancelled"]})
        await record_event(session, "market", market, "market.cancelled")
        await session.commit()
        await read_events(engine, "http://api.test")
        rows = text(
            "SELECT user_id, channel FROM notification_deliveries"
            " JOIN notifications ON notifications.id = notification_id ORDER BY channel"
        )
        assert [tuple(row) for row in await session.execute(rows)] == [(ME, "email"), (ME, "push"), (ME, "push")]


# Reads all the time, and says when it has begun.
EVENTS, KILLS = 600, 4


def write_events(url: str, market: uuid.UUID, begin: threading.Event) -> None:
    """Two transactions at a time, of which the one that began first ends last."""
    arguments = connection_arguments(url) | {"options": "-c loppestars.role=system"}
    statement = "INSERT INTO domain_events (subject_type, subject_id, event) VALUES ('market', %s, 'market.cancelled')"
    begin.wait()
    with psycopg.connect(**arguments) as slow, psycopg.connect(**arguments) as quick:
        for _ in range(EVENTS // 2):
            slow.execute(statement, (str(market),))
            quick.execute(statement, (str(market),))
            quick.commit()
            slow.commit()


class TestKilled:
    async def test_loses_and_doubles_nothing(
        self, engine: AsyncEngine, session: AsyncSession, database_url: str, tmp_path: Path
    ) -> None:
        """Kill -9 while it reads and others write: in the end each event is told once to each person."""
        market = await favourite(session, ME, OTHER)
        begin = threading.Event()
        writing = asyncio.create_task(asyncio.to_thread(write_events, database_url, market, begin))
        environment = {**os.environ, "DATABASE_URL": database_url}
        count = text("SELECT count(*) FROM notifications")
        seen = 0
        for number in range(KILLS):
            output = tmp_path / str(number)
            process = await asyncio.to_thread(ForkedProcess, main, output, [], environment)
            async with asyncio.timeout(60):
                while not (output.exists() and output.read_text() == "reading\n"):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.005)
            begin.set()
            before = seen
            async with asyncio.timeout(30):
                # It dies in the middle of its work, not before it.
                while seen == before and not (writing.done() and before >= 2 * EVENTS):
                    seen = (await session.execute(count)).scalar_one()
                    await session.rollback()
                    await asyncio.sleep(0.005)
            process.kill()
            await asyncio.to_thread(process.wait)
        await writing
        await read_events(engine, "http://api.test")
        per_event = text("SELECT event_id, count(*) FROM notifications GROUP BY event_id")
        counts = [row.count for row in await session.execute(per_event)]
        assert (len(counts), set(counts)) == (EVENTS, {2})

    async def test_again(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """An event that is read once more, as after a lost position, tells nobody a second time."""
        market = await favourite(session, ME)
        await record_event(session, "market", market, "market.cancelled")
        await session.commit()
        await read_events(engine, "http://api.test")
        async with sessions(engine).begin() as other:
            await other.execute(text("UPDATE event_positions SET transaction_id = 0, event_id = 0"))
        assert await read_events(engine, "http://api.test") > 0
        assert (await session.execute(text("SELECT count(*) FROM notifications"))).scalar_one() == 1
