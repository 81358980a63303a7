"""The job queue in PostgreSQL (procrastinate): jobs are rows, so they are as durable as the data they belong to.

A job is enqueued in the caller's own transaction: it exists exactly when the row it works on does. Workers send
heartbeats; a job whose worker fell silent is handed out again by `recover_stalled_jobs`.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from procrastinate import App, PsycopgConnector
from procrastinate.jobs import Status
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.database.engine import connection_arguments
from loppestars_core.logging import current_request_id
from loppestars_core.settings import DatabaseSettings

PHOTO_QUEUE: Final = "photos"
PROCESS_PHOTO: Final = "photos.process"

# A silent worker's photo is finished by another within a minute: 15 s until it is believed dead, 5 s until somebody
# looks, the rest for the work itself.
HEARTBEAT_INTERVAL: Final = timedelta(seconds=5)
STALLED_AFTER: Final = timedelta(seconds=15)
RECOVERY_INTERVAL: Final = timedelta(seconds=5)
# Longer than a worker is silent on the busiest machine: callers are told that nobody is there.
ABSENT_AFTER: Final = timedelta(seconds=60)

# Somebody waits for both kinds; a temporary photo has nothing to come back to, so it goes first.
_PRIORITY_TEMPORARY: Final = 10

# Writes jobs on the caller's connection; it never opens one of its own.
_writer = App(connector=PsycopgConnector())


def queue_app(settings: DatabaseSettings, *, connections: int = 4) -> App:
    """The app of a worker; open it with `async with app.open_async()`."""
    arguments = connection_arguments(settings.direct_url)
    return App(
        connector=PsycopgConnector(
            min_size=1, max_size=connections, kwargs={**arguments, "application_name": "loppestars-queue"}
        )
    )


async def enqueue_photo(session: AsyncSession, photo_id: uuid.UUID, *, temporary: bool) -> None:
    """Write the job of a photo in the transaction of `session`."""
    connection = await (await session.connection()).get_raw_connection()
    await _writer.configure_task(
        PROCESS_PHOTO,
        queue=PHOTO_QUEUE,
        # Two jobs of one photo never run at once.
        lock=f"photo:{photo_id}",
        priority=_PRIORITY_TEMPORARY if temporary else 0,
        connection=connection.driver_connection,
    ).defer_async(photo_id=str(photo_id), request_id=current_request_id())


async def recover_stalled_jobs(app: App) -> list[int]:
    """Hand out again the jobs whose worker fell silent; return their ids."""
    stalled = await app.job_manager.get_stalled_jobs(
        queue=PHOTO_QUEUE, seconds_since_heartbeat=STALLED_AFTER.total_seconds()
    )
    recovered = []
    for job in stalled:
        if job.id is not None and job.status == Status.DOING.value:
            await app.job_manager.retry_job(job)
            recovered.append(job.id)
    return recovered


@dataclass(frozen=True, slots=True)
class QueueState:
    """`oldest_seconds` is the age of the photo that has waited longest; `workers` counts those that are alive."""

    waiting: int
    running: int
    oldest_seconds: float
    workers: int


async def read_queue_state(session: AsyncSession) -> QueueState:
    """How the photo queue is now, in one cheap query."""
    statement = text(
        """
        SELECT count(*) FILTER (WHERE job.status = 'todo') AS waiting,
               count(*) FILTER (WHERE job.status = 'doing') AS running,
               coalesce(extract(epoch FROM now() - min(event.at)), 0)::float AS oldest_seconds,
               (SELECT count(*) FROM procrastinate_workers
                 WHERE last_heartbeat > now() - make_interval(secs => :alive)) AS workers
          FROM procrastinate_jobs AS job
          LEFT JOIN procrastinate_events AS event ON event.job_id = job.id AND event.type = 'deferred'
         WHERE job.queue_name = :queue AND job.status IN ('todo', 'doing')
        """
    )
    row = (await session.execute(statement, {"queue": PHOTO_QUEUE, "alive": STALLED_AFTER.total_seconds()})).one()
    return QueueState(row.waiting, row.running, row.oldest_seconds, row.workers)


async def has_worker(session: AsyncSession) -> bool:
    """Whether any worker has shown itself in the last minute: otherwise nobody works on photos now."""
    found = await session.execute(
        text(
            "SELECT EXISTS (SELECT FROM procrastinate_workers"
            " WHERE last_heartbeat > now() - make_interval(secs => :seconds))"
        ),
        {"seconds": ABSENT_AFTER.total_seconds()},
    )
    return bool(found.scalar_one())
