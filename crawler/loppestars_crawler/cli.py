"""Entry point of `loppestars-crawler`."""

import argparse
import sys
import uuid

from loppestars_core.contract.states import CrawlTrigger
from loppestars_core.kit.logging import configure_logging
from loppestars_core.kit.settings import describe, load_settings
from loppestars_crawler.settings import CrawlerSettings

_MOST_MARKETS = 1_000_000
_EXIT_CODES = """exit codes:
  0    finished, also when some items failed; they are counted
  1    a source failed, or the database; the others are kept
  2    wrong usage or settings
  3    another crawl is running
  130  interrupted (Ctrl-C); what is done is kept
  143  ended by SIGTERM or cancelled; what is done is kept
"""


def main() -> None:
    """Run the command that the command line names, and exit with its code."""
    arguments = _parser().parse_args()
    sys.exit(_crawl(arguments))


def _crawl(arguments: argparse.Namespace) -> int:
    settings = load_settings(CrawlerSettings)
    sources = list(dict.fromkeys(arguments.source or settings.default_sources))
    unknown = [name for name in sources if name not in settings.sites]
    if unknown:
        # Here and below: the database and Scrapy take half a second to import, which no other command needs.
        from loppestars_crawler.crawl.refusal import refuse  # noqa: PLC0415

        known = ", ".join(settings.sites)
        return refuse(settings, arguments.run_id, f"unknown source {', '.join(unknown)}: known are {known}")
    configure_logging("crawler", settings.log_level)
    from loppestars_crawler.crawl.process import run_crawl  # noqa: PLC0415
    from loppestars_crawler.crawl.run import CrawlOrder  # noqa: PLC0415

    order = CrawlOrder(
        sources=sources,
        run_id=arguments.run_id or uuid.uuid4(),
        trigger=arguments.trigger,
        limit=arguments.limit,
        dry_run=arguments.dry_run,
        accept_shrink=arguments.accept_shrink,
    )
    return run_crawl(settings, order)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loppestars-crawler", description="Crawls the Danish market sites.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_crawl(commands)
    return parser


def _add_crawl(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    crawl = commands.add_parser(
        "crawl",
        help="crawl the market sites once and end",
        description="Crawl the market sites once, store what they list, and say by the exit code how it went.",
        epilog=_EXIT_CODES + "\n" + describe(CrawlerSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    crawl.add_argument("--source", action="append", metavar="NAME", help="crawl this source; may be repeated")
    crawl.add_argument("--limit", type=_count, metavar="N", help="take at most N markets of each source")
    crawl.add_argument("--dry-run", action="store_true", help="fetch and count, but store no market")
    crawl.add_argument("--run-id", type=_uuid, metavar="UUID", help="continue the pending run of this id, or make it")
    triggers = [str(trigger) for trigger in CrawlTrigger]
    crawl.add_argument("--trigger", choices=triggers, default="cli", help="who asked, for the record (default cli)")
    crawl.add_argument(
        "--accept-shrink",
        action="store_true",
        help="accept a source that lists less than half of the last time",
    )


def _count(text: str) -> int:
    # The length first: Python refuses to read a number of thousands of digits, and the record holds 32 bits.
    if not text.isdecimal() or len(text) > len(str(_MOST_MARKETS)) or not 1 <= int(text) <= _MOST_MARKETS:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of markets: 1 or more, at most {_MOST_MARKETS}")
    return int(text)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no UUID") from None


if __name__ == "__main__":
    main()
