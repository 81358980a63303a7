"""The tasks of the worker. Each may run again at any time: a worker that dies leaves its job to another."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from procrastinate import App, RetryStrategy
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.database.engine import sessions
from loppestars_core.kit.clock import now_utc
from loppestars_core.privacy.erasure import OnLegalHold, PhotoInProgress
from loppestars_core.privacy.export import UserNotFound
from loppestars_core.privacy.requests import due_for_erasure, forget_unconfirmed, warn_of_erasure
from loppestars_core.privacy.retention import run_retention
from loppestars_core.storage import open_storage
from loppestars_core.tables import Base
from loppestars_jobs.metrics import EXPIRED_ROWS, JOBS, LAST_SUCCESS
from loppestars_jobs.notifying.delivery import deliver
from loppestars_jobs.notifying.reader import read_events
from loppestars_jobs.privacy import erase_now
from loppestars_jobs.settings import JobsSettings

log = structlog.get_logger(__name__)

JOBS_QUEUE: Final = "jobs"
# The link in a message is valid for less.
_UNCONFIRMED_KEPT: Final = timedelta(days=2)
_RETRY: Final = RetryStrategy(max_attempts=5, exponential_wait=4)


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task that runs on a schedule."""

    name: str
    schedule: str
    action: Callable[[], Awaitable[None]]


def periodic_tasks(settings: JobsSettings, engine: AsyncEngine) -> list[Periodic]:
    """Return every task with its schedule."""

    async def retention() -> None:
        deleted = await run_retention(engine, Base.metadata.tables, now_utc())
        for table, rows in deleted.items():
            EXPIRED_ROWS.labels(table).inc(rows)
        log.info("retention_finished", deleted={table: rows for table, rows in deleted.items() if rows})

    async def erasure() -> None:
        grace = timedelta(days=settings.erasure_grace_days)
        async with sessions(engine).begin() as session:
            due = await due_for_erasure(session, now_utc(), grace)
            await forget_unconfirmed(session, older_than=_UNCONFIRMED_KEPT)
        storage, left = open_storage(settings), 0
        for user_id in due:
            try:
                erased = await erase_now(settings, engine, storage, user_id)
            except (PhotoInProgress, OnLegalHold, UserNotFound) as reason:
                left += isinstance(reason, PhotoInProgress)
                continue
            log.info("person_erased", objects=erased.objects, rows=sum(erased.rows.values()))
        if left:
            raise PhotoInProgress(f"{left} people are left for the next try")

    async def warnings() -> None:
        async with sessions(engine).begin() as session:
            warned = await warn_of_erasure(session, now_utc(), timedelta(days=settings.erasure_grace_days))
        log.info("erasure_warnings_written", people=warned)

    async def notifications() -> None:
        read = await read_events(engine, str(settings.public_url))
        sent = await deliver(engine, settings.senders)
        if read or sent:
            log.info("notifications_handled", events=read, messages=sent)

    return [
        Periodic("jobs.notifications", settings.notifications_schedule, notifications),
        Periodic("jobs.retention", settings.retention_schedule, retention),
        Periodic("jobs.erasure", settings.erasure_schedule, erasure),
        Periodic("jobs.erasure_warnings", settings.erasure_warnings_schedule, warnings),
    ]


def register(app: App, task: Periodic) -> None:
    """Register a task with the queue: it is deferred once per tick, whatever the number of workers."""
    for result in ("succeeded", "failed"):
        JOBS.labels(task.name, result)  # zero until it first runs, instead of nothing

    # One run waits and one runs at most: a tick that comes meanwhile is left out.
    @app.periodic(cron=task.schedule, periodic_id=task.name)
    @app.task(name=task.name, queue=JOBS_QUEUE, lock=task.name, queueing_lock=task.name, retry=_RETRY)
    async def run(timestamp: int) -> None:  # noqa: ARG001 - procrastinate passes the tick
        try:
            await task.action()
        except Exception as error:
            JOBS.labels(task.name, "failed").inc()
            log.warning("job_failed", task=task.name, error=type(error).__name__)
            raise
        JOBS.labels(task.name, "succeeded").inc()
        LAST_SUCCESS.labels(task.name).set_to_current_time()
