"""Jobs of photos: one per photo, taken by imaging workers."""

import uuid
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.logging import current_request_id
from loppestars_core.queue.app import ABSENT_AFTER, STALLED_AFTER, enqueue

PHOTO_QUEUE: Final = "photos"
PROCESS_PHOTO: Final = "photos.process"

# A caller waits for both kinds; a ephemeral photo has nothing to come back to, so it goes first.
_PRIORITY_EPHEMERAL: Final = 10


async def enqueue_photo(session: AsyncSession, photo_id: uuid.UUID, *, ephemeral: bool) -> None:
    """Write the job of a photo in the transaction of `session`."""
    await enqueue(
        session,
        PROCESS_PHOTO,
        queue=PHOTO_QUEUE,
        arguments={"photo_id": str(photo_id), "request_id": current_request_id()},
        lock=f"photo:{photo_id}",
        priority=_PRIORITY_EPHEMERAL if ephemeral else 0,
    )


@dataclass(frozen=True, slots=True)
class QueueState:
    """`oldest_seconds` is the age of the photo that has waited longest; `workers` counts those that are alive."""

    waiting: int
    running: int
    oldest_seconds: float
    workers: int


async def read_queue_state(session: AsyncSession) -> QueueState:
    """Return how the photo queue is now, in one cheap query."""
    statement = text(
        """
        SELECT count(*) FILTER (WHERE job.status = 'todo') AS waiting,
               count(*) FILTER (WHERE job.status = 'doing') AS running,
               coalesce(extract(epoch FROM now() - min(event.at)), 0)::float AS oldest_seconds,
               (SELECT count(*) FROM procrastinate_workers
                 WHERE last_heartbeat > now() - make_interval(secs => :alive)
                   AND id NOT IN (SELECT worker_id FROM queue_workers)) AS workers
          FROM procrastinate_jobs AS job
          LEFT JOIN procrastinate_events AS event ON event.job_id = job.id AND event.type = 'deferred'
         WHERE job.queue_name = :queue AND job.status IN ('todo', 'doing')
        """
    )
    row = (await session.execute(statement, {"queue": PHOTO_QUEUE, "alive": STALLED_AFTER.total_seconds()})).one()
    return QueueState(row.waiting, row.running, row.oldest_seconds, row.workers)


async def has_worker(session: AsyncSession) -> bool:
    """Return whether a worker of photos has shown itself in the last minute: otherwise no photo is worked on now."""
    found = await session.execute(
        text(
            "SELECT EXISTS (SELECT FROM procrastinate_workers"
            " WHERE last_heartbeat > now() - make_interval(secs => :seconds)"
            " AND id NOT IN (SELECT worker_id FROM queue_workers))"
        ),
        {"seconds": ABSENT_AFTER.total_seconds()},
    )
    return bool(found.scalar_one())
