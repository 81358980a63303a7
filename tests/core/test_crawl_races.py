"""Everybody at once: triggers, crawls that end in every way, cancellations, and whoever looks after the records."""

import asyncio
import random
import uuid

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.crawls import (
    CrawlAlreadyFinished,
    CrawlLock,
    begin_run,
    cancel_requested,
    close_dead_runs,
    finish_run,
    list_runs,
    record_superseded,
    request_cancel,
    request_run,
)
from loppestars_core.database.engine import sessions
from loppestars_core.kit.settings import DatabaseSettings

AT_ONCE = 8
STEPS = 15
# Of every run: exactly one event ends it, it is the last one, and it says what the record says.
WRONG_EVENTS = """
SELECT r.id FROM crawl_runs r LEFT JOIN domain_events e ON e.subject_id = r.id::text GROUP BY r.id, r.state
HAVING count(*) FILTER (WHERE e.event NOT IN ('crawl.pending', 'crawl.running')) <> 1
    OR (array_agg(e.event ORDER BY e.id DESC))[1] <> 'crawl.' || r.state OR bool_or(r.finished_at IS NULL)
"""


class Crowd:
    """People and crawls on one database; `crawling` counts the crawls that believe to be alone."""

    def __init__(self, engine: AsyncEngine, settings: DatabaseSettings, seed: int) -> None:
        self._sessions = sessions(engine)
        self._settings = settings
        self._random = random.Random(seed)  # noqa: S311 - which of them acts next is no secret
        self.crawling = 0
        self.most_at_once = 0
        self.crawled: list[uuid.UUID] = []

    async def act(self) -> None:
        acts = [self.trigger, self.trigger, self.schedule, self.cancel, self.tidy]
        for _ in range(STEPS):
            await self._random.choice(acts)()

    async def trigger(self) -> None:
        async with self._sessions.begin() as session:
            run, created = await request_run(session, trigger=CrawlTrigger.API, sources=[])
        if created:
            await asyncio.sleep(self._random.random() * 0.02)
            await self._crawl(run.id)

    async def schedule(self) -> None:
        await self._crawl(uuid.uuid4())

    async def cancel(self) -> None:
        async with self._sessions() as session:
            runs = await list_runs(session, limit=5)
        if runs:
            try:
                async with self._sessions.begin() as session:
                    await request_cancel(session, self._random.choice(runs).id)
            except CrawlAlreadyFinished:
                return

    async def tidy(self) -> None:
        async with self._sessions.begin() as session:
            await close_dead_runs(session)

    async def _crawl(self, run_id: uuid.UUID) -> None:
        """As the crawler does it; a fifth of them die without a word."""
        async with CrawlLock(self._settings) as lock:
            async with self._sessions.begin() as session:
                if not lock.acquired:
                    await record_superseded(session, run_id, trigger=CrawlTrigger.SCHEDULE, sources=[])
                    return
                run = await begin_run(session, run_id, trigger=CrawlTrigger.SCHEDULE, sources=[])
            if run.state != CrawlState.RUNNING:
                return
            self.crawled.append(run_id)
            self.crawling += 1
            self.most_at_once = max(self.most_at_once, self.crawling)
            try:
                await self._work(run_id)
            finally:
                self.crawling -= 1

    async def _work(self, run_id: uuid.UUID) -> None:
        for _ in range(self._random.randint(1, 4)):
            await asyncio.sleep(self._random.random() * 0.02)
            async with self._sessions.begin() as session:
                if await cancel_requested(session, run_id):
                    assert await finish_run(session, run_id, CrawlState.CANCELLED)
                    return
        if self._random.random() > 0.2:
            async with self._sessions.begin() as session:
                assert await finish_run(session, run_id, CrawlState.SUCCEEDED), "nobody else ends a living crawl"


class TestCrawlRaces:
    """Everybody at once: triggers, crawls that end in every way, cancellations, and whoever looks after the records."""

    @pytest.mark.parametrize("seed", [1, 2])
    async def test_never_two_at_once_and_every_record_is_true(
        self, engine: AsyncEngine, database_settings: DatabaseSettings, seed: int
    ) -> None:
        """One crawl at a time, none twice, and each record ends once, as its events tell."""
        crowd = Crowd(engine, database_settings, seed)
        await asyncio.gather(*(crowd.act() for _ in range(AT_ONCE)))
        await crowd.tidy()
        assert crowd.most_at_once == 1
        assert len(crowd.crawled) == len(set(crowd.crawled)) > 0
        async with engine.connect() as connection:
            assert (await connection.execute(text(WRONG_EVENTS))).all() == []
