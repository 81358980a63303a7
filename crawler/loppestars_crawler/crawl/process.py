"""The crawl as a process: an event loop that Twisted shares, and an exit code at its end."""

import asyncio
import logging
from importlib import import_module
from typing import Any

import structlog
from psycopg import OperationalError as ConnectionFailed
from sqlalchemy.exc import OperationalError
from twisted.internet import asyncioreactor

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.cli import show_json
from loppestars_core.kit.logging import redact_text
from loppestars_core.kit.metrics import start_metrics_server
from loppestars_crawler.crawl.found import write_found
from loppestars_crawler.crawl.interruption import Interruption
from loppestars_crawler.crawl.progress import progress_of, show_summary
from loppestars_crawler.crawl.report import write_termination_message
from loppestars_crawler.crawl.run import Crawl, CrawlOrder, RunAlreadyFinished, UnknownSource
from loppestars_crawler.settings import CrawlerSettings

log = structlog.get_logger(__name__)


def run_crawl(settings: CrawlerSettings, order: CrawlOrder, *, show_progress: bool = False, json: bool = False) -> int:
    """Crawl to the end and return the exit code."""
    logging.getLogger("scrapy_poet").setLevel(logging.WARNING)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)  # type: ignore[no-untyped-call]  # Twisted has no types here
    # The module is the reactor, once one is installed; importing it earlier would install another.
    reactor: Any = import_module("twisted.internet.reactor")
    task = loop.create_task(_crawl(settings, order, loop, show_progress=show_progress, json=json))
    task.add_done_callback(lambda _: reactor.stop())
    # Signals are the crawl's own business: Twisted would stop before anything is written.
    reactor.run(installSignalHandlers=False)
    return task.result()


async def _crawl(
    settings: CrawlerSettings, order: CrawlOrder, loop: asyncio.AbstractEventLoop, *, show_progress: bool, json: bool
) -> int:
    structlog.contextvars.bind_contextvars(run_id=str(order.run_id))
    interruption = Interruption()
    interruption.listen_to_signals(loop)
    if settings.deadline_seconds is not None:
        interruption.end_after(loop, settings.deadline_seconds)
    _serve_metrics(settings)
    try:
        crawl = Crawl(settings, order, interruption)
        async with progress_of(crawl.sources, shown=show_progress):
            report = await crawl.run()
    except (RunAlreadyFinished, UnknownSource) as error:
        log.error("run_refused", reason=str(error))  # noqa: TRY400 - the sentence is the whole story
        return ExitCode.USAGE
    except (OperationalError, ConnectionFailed) as error:
        cause = redact_text(str(getattr(error, "orig", error)))
        log.error("database_unreachable", cause=cause, advice="check DATABASE_URL")  # noqa: TRY400 - as above
        return ExitCode.FAILED
    write_found(crawl.found, order.output)
    if json:
        show_json(report.content())
    elif show_progress:
        show_summary(report)
    write_termination_message(settings.termination_message_path, report)
    log.info("run_finished", state=report.state, exit_code=int(report.exit_code), error=report.error, **report.counts)
    return report.exit_code


def _serve_metrics(settings: CrawlerSettings) -> None:
    """Serve metrics as long as the process lives; a port in use does not stop a crawl."""
    try:
        start_metrics_server("crawler", settings.metrics_host, settings.metrics_port)
    except OSError as error:
        log.warning("metrics_not_served", port=settings.metrics_port, error=error.strerror)
