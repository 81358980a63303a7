"""The commands of `loppestars-crawler`."""

import sys
from functools import cache
from typing import Final

from loppestars_core.kit.cli import epilog, program, run
from loppestars_crawler.geocoding.command import geocode
from loppestars_crawler.match_command import match

app: Final = program(
    "loppestars-crawler", "Crawls the Danish market sites and knows where Danish addresses are.", local=True
)
app.command()(geocode)
app.command()(match)
# They answer in a fraction of a second; the database and Scrapy take several times that to import.
_LIGHT: Final = frozenset({"geocode", "match"})


def main(arguments: list[str] | None = None) -> None:
    """Run the command that the command line names, and exit with its code."""
    given = sys.argv[1:] if arguments is None else arguments
    if not _LIGHT.intersection(given[:1]):
        _add_crawling()
    run(app, given)


@cache
def _add_crawling() -> None:
    from loppestars_core.kit.settings import describe  # noqa: PLC0415 - see _LIGHT
    from loppestars_crawler.crawl import (  # noqa: PLC0415 - see _LIGHT
        quarantine_command,
        runs_command,
        sources_command,
    )
    from loppestars_crawler.crawl.command import EXIT_CODES, crawl  # noqa: PLC0415 - see _LIGHT
    from loppestars_crawler.fixture_command import fixture  # noqa: PLC0415 - see _LIGHT
    from loppestars_crawler.pairs_command import app as pairs  # noqa: PLC0415 - see _LIGHT
    from loppestars_crawler.settings import CrawlerSettings  # noqa: PLC0415 - see _LIGHT

    app.command(epilog=epilog(describe(CrawlerSettings), notes=EXIT_CODES))(crawl)
    app.add_typer(runs_command.app, name="runs")
    app.add_typer(sources_command.app, name="sources")
    app.add_typer(quarantine_command.app, name="quarantine")
    app.command()(fixture)
    app.add_typer(pairs)
    app.info.epilog = epilog(
        describe(CrawlerSettings),
        examples=[
            "loppestars-crawler crawl --source loppemarkeder --dry-run",
            'loppestars-crawler geocode "Axeltorv ved Tivoli"',
        ],
        notes=EXIT_CODES,
    )


if __name__ == "__main__":
    main()
