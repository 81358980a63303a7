"""`loppestars-imaging work`: take photos from the queue until SIGTERM, whatever happens to database or engines."""

import asyncio
import contextlib
import uuid
from collections.abc import Coroutine
from typing import Any, Final

import procrastinate
import psycopg
import structlog
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import DeleteJobCondition, Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker as QueueWorker
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.metrics import Readiness, start_metrics_server
from loppestars_core.photos.models import PhotoVariant
from loppestars_core.queue.app import (
    HEARTBEAT_INTERVAL,
    RECOVERY_INTERVAL,
    STALLED_AFTER,
    queue_app,
    recover_stalled_jobs,
)
from loppestars_core.queue.photo_jobs import PHOTO_QUEUE, PROCESS_PHOTO, read_queue_state
from loppestars_core.storage import Storage, StorageError, open_storage
from loppestars_imaging.engine.pool import EnginePool
from loppestars_imaging.errors import ImagingError
from loppestars_imaging.metrics import PHOTOS, QUEUE_JOBS, QUEUE_OLDEST, QUEUE_WORKERS, RECOVERED, STORED_BYTES
from loppestars_imaging.settings import ImagingSettings
from loppestars_imaging.worker.photo_job import PhotoUnfinished, PhotoWork

log = structlog.get_logger(__name__)

_RECONNECT_SECONDS: Final = 1.0
_MAX_RETRY_SECONDS: Final = 30
_UNREGISTER_SECONDS: Final = 5.0
_DATABASE_TROUBLE: Final = (ProcrastinateException, psycopg.Error, SQLAlchemyError, OSError)


class AlwaysAgain(BaseRetryStrategy):
    """A photo's job comes back until the photo is finished; claims that died are counted with the photo itself."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        # A broken engine is replaced at once; storage or database may need a while.
        passing = isinstance(exception, PhotoUnfinished)
        seconds = min(2 * (job.attempts + 1), _MAX_RETRY_SECONDS) if passing else _RECONNECT_SECONDS
        return RetryDecision(retry_in={"seconds": int(seconds)})


class Worker:
    """A worker process: its engines, its queue connection, its readiness."""

    def __init__(
        self, settings: ImagingSettings, engines: EnginePool | None = None, stopping: asyncio.Event | None = None
    ) -> None:
        """Take the engines, which may be starting already, and the event that stops it; by default its own."""
        self._settings = settings
        self._engines = engines or EnginePool(settings)
        self._not_ready = "starting"
        self._stopping = stopping or asyncio.Event()

    def readiness(self) -> Readiness:
        """Ready when the model is loaded and the queue can be read."""
        return Readiness(ready=not self._not_ready, reason=self._not_ready or "ready")

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> ExitCode:
        """Work until `stop`; photos in hand are finished."""
        database = create_engine(self._settings, application="loppestars-imaging")
        work = PhotoWork(self._settings, database, open_storage(self._settings), self._engines)
        try:
            if not await self._start_engines():
                return ExitCode.DONE
            while not self._stopping.is_set():
                try:
                    await self._work(work, database)
                except _DATABASE_TROUBLE as error:
                    self._not_ready = "the queue cannot be read"
                    log.warning("queue_lost", error=type(error).__name__)
                    await self._pause(_RECONNECT_SECONDS)
        finally:
            await self._engines.stop()
            await database.dispose()
        return ExitCode.DONE

    async def _start_engines(self) -> bool:
        """Load the model and return True, or False when stopped meanwhile; without a model no job is taken."""
        while not self._stopping.is_set():
            try:
                return await self._unless_stopped(self._engines.start())
            except ImagingError as error:
                self._not_ready = str(error)
                log.error("engine_start_failed", error=str(error))  # noqa: TRY400 - the engine wrote its own trace
                await self._pause(_MAX_RETRY_SECONDS)
        return False

    async def _unless_stopped(self, action: Coroutine[Any, Any, None]) -> bool:
        """Wait for it; return False, and cancel it, when a request to stop comes first."""
        acting, stopped = asyncio.create_task(action), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({acting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                await acting
            return acting.done()
        finally:
            await _end({acting, stopped})

    async def _work(self, work: PhotoWork, database: AsyncEngine) -> None:
        app = queue_app(self._settings)

        @app.task(name=PROCESS_PHOTO, queue=PHOTO_QUEUE, retry=AlwaysAgain())
        async def process_photo(photo_id: str, request_id: str | None = None) -> None:
            with structlog.contextvars.bound_contextvars(photo_id=photo_id, request_id=request_id):
                await work.process(uuid.UUID(photo_id))

        try:
            # A server that does not answer is waited for half a minute.
            if await self._unless_stopped(app.connector.open_async()):
                await self._take_photos(app, database, work.storage)
        finally:
            await app.close_async()  # also what was opened only halfway: it would keep trying to connect

    async def _take_photos(self, app: procrastinate.App, database: AsyncEngine, storage: Storage) -> None:
        looking = asyncio.create_task(self._look_at(storage))
        caring = asyncio.create_task(_look_after(app, database))
        worker = QueueWorker(
            app,
            queues=[PHOTO_QUEUE],
            concurrency=self._settings.imaging_processes,
            install_signal_handlers=False,
            shutdown_graceful_timeout=self._settings.drain_seconds,
            update_heartbeat_interval=HEARTBEAT_INTERVAL.total_seconds(),
            stalled_worker_timeout=STALLED_AFTER.total_seconds(),
            delete_jobs=DeleteJobCondition.SUCCESSFUL,
        )
        runner = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
        stopped = asyncio.create_task(self._stopping.wait())
        self._not_ready = ""
        log.info("worker_ready", processes=self._settings.imaging_processes)
        try:
            await asyncio.wait({runner, stopped, caring}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._stopping.is_set():
                self._not_ready = "stopping"
            # Not cancelled: a cancellation while it registers itself can get lost, and it would work on.
            worker.stop()  # type: ignore[no-untyped-call]
            await asyncio.wait({runner}, timeout=self._settings.drain_seconds + _UNREGISTER_SECONDS)
            await _end({runner, stopped, looking, caring})
        for task in (runner, caring):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _look_at(self, storage: Storage) -> None:
        """Say early what the first photo would find, for which the client of S3 is then there: it is slow to load."""
        for bucket in (self._settings.originals_bucket, self._settings.processed_bucket):
            try:
                await storage.check(bucket)
            except StorageError as error:
                log.warning("storage_check_failed", bucket=bucket, reason=str(error))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel until all have ended: a database driver may swallow a cancellation while it connects."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_RECONNECT_SECONDS)


async def _look_after(app: procrastinate.App, database: AsyncEngine) -> None:
    """Hand out the jobs of workers that fell silent, and measure the queue, again and again."""
    while True:
        if recovered := await recover_stalled_jobs(app, PHOTO_QUEUE):
            RECOVERED.inc(len(recovered))
            log.warning("stalled_jobs_recovered", jobs=recovered)
        async with sessions(database)() as session:
            state = await read_queue_state(session)
            stored = (await session.execute(select(func.coalesce(func.sum(PhotoVariant.bytes), 0)))).scalar_one()
        QUEUE_JOBS.labels("waiting").set(state.waiting)
        QUEUE_JOBS.labels("running").set(state.running)
        QUEUE_OLDEST.set(state.oldest_seconds)
        QUEUE_WORKERS.set(state.workers)
        STORED_BYTES.set(float(stored))
        await asyncio.sleep(RECOVERY_INTERVAL.total_seconds())


async def work(settings: ImagingSettings, engines: EnginePool, stopping: asyncio.Event) -> ExitCode:
    """Run a worker with its metrics server until `stopping` is set."""
    worker = Worker(settings, engines, stopping)
    server = start_metrics_server("imaging", settings.metrics_host, settings.metrics_port, worker.readiness)
    log.info("metrics_served", port=server.port)
    try:
        return await worker.run()
    finally:
        server.stop()
        samples = (sample for metric in PHOTOS.collect() for sample in metric.samples)
        # A counter's samples also say when each was made.
        taken = sum(sample.value for sample in samples if sample.name.endswith("_total"))
        log.info("worker_stopped", photos=int(taken))
