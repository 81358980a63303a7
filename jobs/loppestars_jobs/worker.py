"""`loppestars-jobs work`: run periodic tasks until SIGTERM, whatever happens to the database meanwhile."""

import asyncio
import contextlib
from typing import Any, Final

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import DeleteJobCondition
from procrastinate.worker import Worker as QueueWorker
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.database.engine import create_engine
from loppestars_core.kit.metrics import Readiness
from loppestars_core.queue.app import (
    HEARTBEAT_INTERVAL,
    RECOVERY_INTERVAL,
    STALLED_AFTER,
    announce_worker,
    queue_app,
    recover_stalled_jobs,
)
from loppestars_jobs.settings import JobsSettings
from loppestars_jobs.tasks import JOBS_QUEUE, periodic_tasks, register

log = structlog.get_logger(__name__)

_RECONNECT_SECONDS: Final = 1.0
_UNREGISTER_SECONDS: Final = 5.0
_DATABASE_TROUBLE: Final = (ProcrastinateException, psycopg.Error, SQLAlchemyError, OSError)


class Worker:
    """A worker process: its connection to the queue and its readiness."""

    def __init__(self, settings: JobsSettings, stopping: asyncio.Event) -> None:
        """Take the event that stops it."""
        self._settings = settings
        self._stopping = stopping
        self._not_ready = "starting"

    def readiness(self) -> Readiness:
        """Return ready while the queue is listened to."""
        return Readiness(ready=not self._not_ready, reason=self._not_ready or "ready")

    async def run(self) -> ExitCode:
        """Work until stopped; jobs in hand are finished."""
        engine = create_engine(self._settings, application="loppestars-jobs")
        try:
            while not self._stopping.is_set():
                try:
                    await self._work(engine)
                except _DATABASE_TROUBLE as error:
                    self._not_ready = "the queue cannot be read"
                    log.warning("queue_lost", error=type(error).__name__)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_RECONNECT_SECONDS):
                            await self._stopping.wait()
        finally:
            await engine.dispose()
        return ExitCode.DONE

    async def _work(self, engine: AsyncEngine) -> None:
        app = queue_app(self._settings)
        for task in periodic_tasks(self._settings, engine):
            register(app, task)
        opening = asyncio.create_task(app.connector.open_async())
        try:
            if await self._before_stop(opening):
                await self._take_jobs(app)
        finally:
            await _end({opening})
            await app.close_async()  # also what was opened only halfway: it would keep trying to connect

    async def _take_jobs(self, app: App) -> None:
        worker = QueueWorker(
            app,
            queues=[JOBS_QUEUE],
            install_signal_handlers=False,
            shutdown_graceful_timeout=self._settings.drain_seconds,
            update_heartbeat_interval=HEARTBEAT_INTERVAL.total_seconds(),
            stalled_worker_timeout=STALLED_AFTER.total_seconds(),
            delete_jobs=DeleteJobCondition.SUCCESSFUL,
        )
        runner = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]
        looping = asyncio.create_task(self._look_after(app, worker))
        try:
            await self._before_stop(runner, looping)
        finally:
            self._not_ready = "stopping"
            # Not cancelled: a cancellation while it registers itself can get lost, and it would work on.
            worker.stop()  # type: ignore[no-untyped-call]
            await asyncio.wait({runner}, timeout=self._settings.drain_seconds + _UNREGISTER_SECONDS)
            await _end({runner, looping})
        for task in (runner, looping):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _look_after(self, app: App, worker: QueueWorker) -> None:
        """Announce the worker once it has registered itself, then hand out the jobs of workers that fell silent."""
        while worker.worker_id is None:  # noqa: ASYNC110 - procrastinate shows it in no other way
            await asyncio.sleep(0.05)
        await announce_worker(app, worker.worker_id, JOBS_QUEUE)
        self._not_ready = ""
        log.info("worker_ready", queue=JOBS_QUEUE)
        while True:
            if recovered := await recover_stalled_jobs(app, JOBS_QUEUE):
                log.warning("stalled_jobs_recovered", jobs=recovered)
            await asyncio.sleep(RECOVERY_INTERVAL.total_seconds())

    async def _before_stop(self, *tasks: asyncio.Task[Any]) -> bool:
        """Wait for the first of `tasks`; return False when the request to stop comes first."""
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
            done = [task for task in tasks if task.done()]
            for task in done:
                task.result()
            return bool(done)
        finally:
            await _end({stopped})


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel until all have ended: a database driver may swallow a cancellation while it connects."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_RECONNECT_SECONDS)
