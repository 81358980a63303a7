"""A crawl that cannot begin, as one of an unknown source: reported to whoever asked for it."""

import asyncio
import sys
import uuid

from psycopg import OperationalError as ConnectionFailed
from sqlalchemy.exc import OperationalError

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.contract.states import CrawlState
from loppestars_core.crawls import CrawlNotFound, find_run, finish_run
from loppestars_core.database.engine import create_engine, sessions
from loppestars_crawler.crawl.report import Report, write_termination_message
from loppestars_crawler.settings import CrawlerSettings


def refuse(settings: CrawlerSettings, run_id: uuid.UUID | None, reason: str) -> int:
    """Report why on stderr, in the termination message, and in the record of the pending run; return the exit code."""
    sys.stderr.write(f"{reason}\n")
    if run_id is not None:
        report = Report(run_id, CrawlState.FAILED, ExitCode.USAGE, error=reason)
        write_termination_message(settings.termination_message_path, report)
        try:
            asyncio.run(_close(settings, run_id, reason))
        except (OperationalError, ConnectionFailed, OSError):
            sys.stderr.write("the database cannot be reached: the run is left pending, and closed in some minutes\n")
    return ExitCode.USAGE


async def _close(settings: CrawlerSettings, run_id: uuid.UUID, reason: str) -> None:
    engine = create_engine(settings, application="loppestars-crawler")
    try:
        async with sessions(engine).begin() as session:
            run = await find_run(session, run_id)
            if run.state == CrawlState.PENDING:
                await finish_run(session, run_id, CrawlState.FAILED, error=reason)
    except CrawlNotFound:
        pass  # there is no record to close
    finally:
        await engine.dispose()
