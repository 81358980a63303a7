"""`loppestars-jobs`: the worker of periodic and outgoing work, and its tasks by hand."""

import argparse
import asyncio
import signal
import sys

import structlog
from sqlalchemy.exc import DBAPIError

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.database.engine import create_engine
from loppestars_core.kit.clock import now_utc
from loppestars_core.kit.logging import configure_logging, redact_text
from loppestars_core.kit.metrics import start_metrics_server
from loppestars_core.kit.settings import describe, load_settings
from loppestars_core.privacy.retention import count_expired, run_retention
from loppestars_core.tables import Base
from loppestars_jobs.settings import JobsSettings
from loppestars_jobs.worker import Worker

log = structlog.get_logger(__name__)


def main(arguments: list[str] | None = None) -> None:
    """Run `loppestars-jobs`; exit with 0 when it is done, 1 when it failed, 2 on wrong usage."""
    options = _parser().parse_args(arguments)
    settings = load_settings(JobsSettings)
    try:
        if options.command == "work":
            configure_logging("jobs", settings.log_level)
            sys.exit(asyncio.run(_work(settings)))
        sys.stdout.write(asyncio.run(_retention(settings, dry_run=options.dry_run)))
    except (DBAPIError, OSError) as error:
        sys.stderr.write(f"loppestars-jobs: {redact_text(str(error))}\n")
        sys.exit(ExitCode.FAILED)


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


async def _retention(settings: JobsSettings, *, dry_run: bool) -> str:
    """Run retention once, or only count, and return a table of what was deleted or would be."""
    engine = create_engine(settings, application="loppestars-jobs")
    try:
        rows = await (count_expired if dry_run else run_retention)(engine, Base.metadata.tables, now_utc())
    finally:
        await engine.dispose()
    width = max(len(table) for table in rows)
    title = "would be deleted" if dry_run else "deleted"
    return "".join(f"{table:<{width}}  {count}\n" for table, count in [("table", title), *rows.items()])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="loppestars-jobs",
        description="Periodic and outgoing work: retention of the whole database.",
        epilog=describe(JobsSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    work = "run periodic tasks until SIGTERM"
    commands.add_parser("work", help=work, description=f"{work.capitalize()}.")
    once = "delete rows whose time is over, now"
    retention = commands.add_parser("retention", help=once, description=f"{once.capitalize()}.")
    retention.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
    return parser
