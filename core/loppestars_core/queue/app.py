"""The job queue in PostgreSQL (procrastinate): jobs are rows, so they are as durable as the data they belong to.

A job is enqueued in the caller's own transaction: it exists exactly when the row it works on does. Workers send
heartbeats; a job whose worker fell silent is handed out again by `recover_stalled_jobs`.
"""

from datetime import timedelta
from typing import Final

from procrastinate import App, PsycopgConnector
from procrastinate.jobs import Status
from procrastinate.types import JSONValue
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.database.engine import connection_arguments
from loppestars_core.kit.settings import DatabaseSettings

# A silent worker's job is finished by another within a minute: 15 s until it is believed dead, 5 s until another
# looks, the rest for the work itself.
HEARTBEAT_INTERVAL: Final = timedelta(seconds=5)
STALLED_AFTER: Final = timedelta(seconds=15)
RECOVERY_INTERVAL: Final = timedelta(seconds=5)
# Longer than a worker is silent on the busiest machine: callers are answered that no worker is there.
ABSENT_AFTER: Final = timedelta(seconds=60)

# Writes jobs on the caller's connection; it never opens one of its own.
_writer: Final = App(connector=PsycopgConnector())


def queue_app(settings: DatabaseSettings, *, connections: int = 4) -> App:
    """Return the app of a worker; open it with `async with app.open_async()`."""
    arguments = connection_arguments(settings.direct_url)
    return App(
        connector=PsycopgConnector(
            min_size=1, max_size=connections, kwargs={**arguments, "application_name": "loppestars-queue"}
        )
    )


async def enqueue(  # noqa: PLR0913 - one argument per property of a job
    session: AsyncSession,
    task: str,
    *,
    queue: str,
    arguments: dict[str, JSONValue],
    lock: str | None = None,
    priority: int = 0,
) -> None:
    """Write a job in the transaction of `session`. Jobs of one `lock` never run at the same time."""
    connection = await (await session.connection()).get_raw_connection()
    await _writer.configure_task(
        task, queue=queue, lock=lock, priority=priority, connection=connection.driver_connection
    ).defer_async(**arguments)


async def announce_worker(app: App, worker_id: int, queue: str) -> None:
    """Note which queue a worker serves, so that it does not count as a worker of photos."""
    await app.connector.execute_query_async(
        "DELETE FROM queue_workers WHERE worker_id NOT IN (SELECT id FROM procrastinate_workers)"
    )
    await app.connector.execute_query_async(
        "INSERT INTO queue_workers (worker_id, queue) VALUES (%(worker_id)s, %(queue)s) ON CONFLICT DO NOTHING",
        worker_id=worker_id,
        queue=queue,
    )


async def recover_stalled_jobs(app: App, queue: str) -> list[int]:
    """Hand out again the jobs of `queue` whose worker fell silent; return their ids."""
    stalled = await app.job_manager.get_stalled_jobs(queue=queue, seconds_since_heartbeat=STALLED_AFTER.total_seconds())
    recovered = []
    for job in stalled:
        if job.id is not None and job.status == Status.DOING.value:
            await app.job_manager.retry_job(job)
            recovered.append(job.id)
    return recovered
