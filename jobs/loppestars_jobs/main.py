"""`loppestars-jobs`: the worker of periodic and outgoing work, and its tasks by hand."""

import asyncio
import signal
from collections.abc import Sequence
from typing import Annotated, Final

import structlog
import typer
from sqlalchemy.exc import DBAPIError

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.database.engine import create_engine
from loppestars_core.kit.cli import Json, epilog, fail, program, run, show
from loppestars_core.kit.clock import now_utc
from loppestars_core.kit.logging import configure_logging, redact_text
from loppestars_core.kit.metrics import start_metrics_server
from loppestars_core.kit.settings import describe, load_settings
from loppestars_core.privacy.retention import count_expired, run_retention
from loppestars_core.tables import Base
from loppestars_jobs.settings import JobsSettings
from loppestars_jobs.worker import Worker

log = structlog.get_logger(__name__)

DryRun = Annotated[bool, typer.Option("--dry-run", help="only count what would be deleted")]

app: Final = program(
    "loppestars-jobs",
    "Periodic and outgoing work: retention of the whole database, and what people asked to have erased.",
    local=True,
    epilog=epilog(
        describe(JobsSettings),
        examples=["loppestars-jobs work", "loppestars-jobs retention --dry-run --local"],
        notes="exit codes: 0 done, 1 failed (e.g. the database cannot be reached), 2 wrong usage",
    ),
)


@app.command()
def work() -> None:
    """Run periodic tasks until SIGTERM; jobs in hand are finished."""
    settings = load_settings(JobsSettings)
    configure_logging("jobs", settings.log_level)
    try:
        raise SystemExit(asyncio.run(_work(settings)))
    except (DBAPIError, OSError) as error:
        fail(f"loppestars-jobs: {redact_text(str(error))}", ExitCode.FAILED)


@app.command()
def retention(*, dry_run: DryRun = False, json: Json = False) -> None:
    """Delete the rows whose time is over, now; show how many of each table."""
    settings = load_settings(JobsSettings)

    async def delete() -> dict[str, int]:
        engine = create_engine(settings, application="loppestars-jobs")
        try:
            return await (count_expired if dry_run else run_retention)(engine, Base.metadata.tables, now_utc())
        finally:
            await engine.dispose()

    try:
        rows = asyncio.run(delete())
    except (DBAPIError, OSError) as error:
        fail(f"loppestars-jobs: {redact_text(str(error))}", ExitCode.FAILED)
    done = "would_be_deleted" if dry_run else "deleted"
    show([{"table": table, done: count} for table, count in rows.items()], json=json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `loppestars-jobs`; exit with 0 when it is done, 1 when it failed, 2 on wrong usage."""
    run(app, arguments)


async def _work(settings: JobsSettings) -> ExitCode:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    worker = Worker(settings, stopping)
    server = start_metrics_server("jobs", settings.metrics_host, settings.metrics_port, worker.readiness)
    log.info("metrics_served", port=server.port)
    try:
        return await worker.run()
    finally:
        server.stop()
        log.info("worker_stopped")
