"""`loppestars-crawler crawl`: the market sites once, from end to end."""

import sys
import uuid
from pathlib import Path
from typing import Annotated, Final

import typer

from loppestars_core.contract.states import CrawlTrigger
from loppestars_core.kit.cli import Json
from loppestars_core.kit.logging import configure_logging
from loppestars_core.kit.settings import load_settings
from loppestars_crawler.crawl.process import run_crawl
from loppestars_crawler.crawl.records import sources_of_admins
from loppestars_crawler.crawl.refusal import refuse
from loppestars_crawler.crawl.run import CrawlOrder
from loppestars_crawler.settings import CrawlerSettings

EXIT_CODES: Final = """exit codes:
  0    finished, also when some items failed; they are counted
  1    a source failed, or the database; the others are kept
  2    wrong usage or settings
  3    another crawl is running
  130  interrupted (Ctrl-C); what is done is kept
  143  ended by SIGTERM or cancelled; what is done is kept"""
_MAX_MARKETS: Final = 1_000_000


def crawl(  # noqa: PLR0913 - one parameter per option
    *,
    source: Annotated[list[str] | None, typer.Option(metavar="NAME", help="crawl this source; may be repeated")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=_MAX_MARKETS, help="take at most so many markets of each source")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="fetch, count and show, but store no market")] = False,
    run_id: Annotated[uuid.UUID | None, typer.Option(help="continue the pending run of this id, or make it")] = None,
    trigger: Annotated[CrawlTrigger, typer.Option(help="who asked, for the record")] = CrawlTrigger.CLI,
    accept_shrink: Annotated[
        bool, typer.Option("--accept-shrink", help="accept a source that lists less than half of the last time")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="write the markets found to FILE.json or FILE.csv"),
    ] = None,
    json: Json = False,
) -> None:
    """Crawl the market sites once, store what they list, and report by the exit code how it went."""
    settings = load_settings(CrawlerSettings)
    sources = list(dict.fromkeys(source or []))
    configured = [known.name for known in settings.sources]
    if any(name not in configured for name in sources):
        known = [*configured, *sources_of_admins(settings, besides=configured)]
        if unknown := [name for name in sources if name not in known]:
            reason = f"unknown source {', '.join(unknown)}: known are {', '.join(known)}"
            raise typer.Exit(refuse(settings, run_id, reason))
    order = CrawlOrder(
        sources=sources,
        run_id=run_id or uuid.uuid4(),
        trigger=trigger,
        limit=limit,
        dry_run=dry_run,
        accept_shrink=accept_shrink,
        output=output,
    )
    raise typer.Exit(start(settings, order, json=json))


def start(settings: CrawlerSettings, order: CrawlOrder, *, json: bool = False) -> int:
    """Crawl with logs as the caller can read them: a terminal shows progress, and JSON on stdout is the report only."""
    progress = sys.stderr.isatty() and sys.stdout.isatty() and not json
    stream = sys.stderr if json else sys.stdout
    configure_logging("crawler", "ERROR" if progress else settings.log_level, stream=stream)
    return run_crawl(settings, order, show_progress=progress, json=json)
