"""Crawl runs and their lock: never two at once, and a dead process never blocks the next."""

import asyncio
import uuid

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.crawls import (
    CrawlAlreadyFinished,
    CrawlLock,
    CrawlNotFound,
    add_failed_item,
    begin_run,
    cancel_requested,
    close_dead_runs,
    find_run,
    finish_run,
    list_runs,
    record_superseded,
    request_cancel,
    request_run,
    update_progress,
)
from loppestars_core.crawls.lock import lock_is_held
from loppestars_core.crawls.runs import failed_items
from loppestars_core.database.engine import sessions
from loppestars_core.events.models import DomainEvent
from loppestars_core.kit.settings import DatabaseSettings

SOURCES = ["markedskalenderen"]


class TestLock:
    async def test_one_holder(self, session: AsyncSession, database_settings: DatabaseSettings) -> None:
        """The second finds it taken; when the first is gone it is free."""
        assert not await lock_is_held(session)
        async with CrawlLock(database_settings) as first:
            assert first.acquired
            assert await first.still_held()
            assert await lock_is_held(session)
            async with CrawlLock(database_settings) as second:
                assert not second.acquired
        async with CrawlLock(database_settings) as third:
            assert third.acquired

    async def test_a_lost_connection_is_a_lost_lock(
        self, session: AsyncSession, database_settings: DatabaseSettings
    ) -> None:
        """The holder learns that the server ended its connection."""
        async with CrawlLock(database_settings) as lock:
            await session.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"),
                {"name": "loppestars-crawl-lock"},
            )
            assert not await lock.still_held()


class TestRequest:
    async def test_two_replicas_at_once(self, engine: AsyncEngine) -> None:
        """Ten triggers at the same moment give one run, and one of them made it."""

        async def trigger() -> tuple[uuid.UUID, bool]:
            async with sessions(engine).begin() as own:
                run, created = await request_run(own, trigger=CrawlTrigger.API, sources=SOURCES)
                return run.id, created

        answers = await asyncio.gather(*(trigger() for _ in range(10)))
        assert len({run for run, _ in answers}) == 1
        assert [created for _, created in answers].count(True) == 1

    async def test_a_dead_run_does_not_block(self, session: AsyncSession, database_settings: DatabaseSettings) -> None:
        """A run that says running while nobody holds the lock is failed, and a new one is made."""
        async with CrawlLock(database_settings):
            dead = await begin_run(session, uuid.uuid4(), trigger=CrawlTrigger.CLI, sources=SOURCES)
            await session.commit()
            alive, created = await request_run(session, trigger=CrawlTrigger.API, sources=SOURCES)
            assert (alive.id, created) == (dead.id, False)
        fresh, created = await request_run(session, trigger=CrawlTrigger.API, sources=SOURCES)
        assert created
        assert fresh.id != dead.id
        assert (await find_run(session, dead.id)).state == CrawlState.FAILED

    async def test_a_run_that_never_started_expires(self, session: AsyncSession) -> None:
        """A pending run of an hour ago is failed."""
        old, _ = await request_run(session, trigger=CrawlTrigger.API, sources=SOURCES)
        await session.execute(text("UPDATE crawl_runs SET created_at = now() - interval '1 hour'"))
        fresh, created = await request_run(session, trigger=CrawlTrigger.API, sources=SOURCES)
        assert created
        assert fresh.id != old.id

    async def test_dead_runs_are_found_without_a_trigger(
        self, session: AsyncSession, database_settings: DatabaseSettings
    ) -> None:
        """Whoever looks after the records may close them at any time; those alive and those that wait are left."""
        async with CrawlLock(database_settings):
            run = await begin_run(session, uuid.uuid4(), trigger=CrawlTrigger.SCHEDULE, sources=SOURCES)
            await session.commit()
            await close_dead_runs(session)
            assert (await find_run(session, run.id)).state == CrawlState.RUNNING
        waiting = uuid.uuid4()
        await session.execute(
            text("INSERT INTO crawl_runs (id, trigger, created_at) VALUES (:id, 'api', now() - interval '1 hour')"),
            {"id": waiting},
        )
        await session.commit()
        await close_dead_runs(session)
        assert (await find_run(session, run.id)).state == CrawlState.FAILED
        assert (await find_run(session, waiting)).state == CrawlState.PENDING, "its Job may still wait for a node"


class TestLife:
    async def test_a_run_that_waited_long_for_its_node_begins(self, session: AsyncSession) -> None:
        """A cluster may take longer than `PENDING_EXPIRES` to start the process: here it is."""
        run, _ = await request_run(session, trigger=CrawlTrigger.API, sources=SOURCES)
        run_id = run.id
        await session.execute(text("UPDATE crawl_runs SET created_at = now() - interval '1 hour'"))
        await session.commit()
        session.expire_all()
        begun = await begin_run(session, run_id, trigger=CrawlTrigger.CLI, sources=SOURCES)
        assert (begun.state, begun.trigger) == ("running", "api")

    async def test_from_pending_to_done(self, session: AsyncSession) -> None:
        """Begin continues the pending row; progress and counts are stored; a second end changes nothing."""
        run, _ = await request_run(session, trigger=CrawlTrigger.API, sources=SOURCES)
        begun = await begin_run(session, run.id, trigger=CrawlTrigger.CLI, sources=SOURCES)
        assert (begun.state, begun.trigger) == ("running", "api")
        await update_progress(session, run.id, expected=10, done=4, counts={"seen": 4, "new": 4})
        await add_failed_item(session, run.id, source=SOURCES[0], reason="no date", snippet="x" * 9000)
        assert await finish_run(session, run.id, CrawlState.SUCCEEDED, counts={"seen": 10, "new": 9, "failed": 1})
        assert not await finish_run(session, run.id, CrawlState.FAILED)
        found = await find_run(session, run.id)
        assert (found.state, found.seen, found.new, found.failed) == ("succeeded", 10, 9, 1)
        items = await failed_items(session, run.id)
        assert [(item.reason, len(item.snippet or "")) for item in items] == [("no date", 2000)]
        assert [item.id for item in await list_runs(session)] == [run.id]

    async def test_superseded(self, session: AsyncSession) -> None:
        """Both a new id and a pending one get the state; a finished one keeps its own."""
        pending, _ = await request_run(session, trigger=CrawlTrigger.API, sources=SOURCES)
        for run_id in (pending.id, uuid.uuid4()):
            run = await record_superseded(session, run_id, trigger=CrawlTrigger.SCHEDULE, sources=SOURCES)
            assert run.state == CrawlState.SUPERSEDED
            assert run.finished_at is not None
        done = await begin_run(session, uuid.uuid4(), trigger=CrawlTrigger.CLI, sources=SOURCES)
        await finish_run(session, done.id, CrawlState.SUCCEEDED)
        kept = await record_superseded(session, done.id, trigger=CrawlTrigger.CLI, sources=SOURCES)
        assert kept.state == CrawlState.SUCCEEDED
        events = select(DomainEvent.event).where(DomainEvent.subject_id == str(done.id)).order_by(DomainEvent.id)
        assert list((await session.execute(events)).scalars()) == ["crawl.running", "crawl.succeeded"]

    async def test_cancelling_a_dead_run_ends_it(self, session: AsyncSession) -> None:
        """Nobody is left who could look at the wish: the record ends at once, and says why."""
        dead = await begin_run(session, uuid.uuid4(), trigger=CrawlTrigger.CLI, sources=SOURCES)
        await session.commit()
        ended = await request_cancel(session, dead.id)
        assert (ended.state, "ended without a word" in str(ended.error)) == ("cancelled", True)
        assert ended.finished_at is not None

    async def test_cancel(self, session: AsyncSession, database_settings: DatabaseSettings) -> None:
        """Pending ends at once, running is asked to stop, finished is refused, unknown is not found."""
        pending, _ = await request_run(session, trigger=CrawlTrigger.API, sources=SOURCES)
        assert (await request_cancel(session, pending.id)).state == CrawlState.CANCELLED
        with pytest.raises(CrawlAlreadyFinished):
            await request_cancel(session, pending.id)
        begun = await begin_run(session, pending.id, trigger=CrawlTrigger.CLI, sources=SOURCES)
        assert begun.state == CrawlState.CANCELLED
        async with CrawlLock(database_settings):
            running = await begin_run(session, uuid.uuid4(), trigger=CrawlTrigger.CLI, sources=SOURCES)
            assert not await cancel_requested(session, running.id)
            assert (await request_cancel(session, running.id)).state == CrawlState.RUNNING
            assert await cancel_requested(session, running.id)
        with pytest.raises(CrawlNotFound):
            await request_cancel(session, uuid.uuid4())
