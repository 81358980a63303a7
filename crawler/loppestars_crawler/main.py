"""Entry point of `loppestars-crawler`."""

import argparse
import sys
from datetime import date

from loppestars_crawler.sample_site.server import serve


def main() -> None:
    """Run the command that the command line names, and exit with its code."""
    arguments = _parser().parse_args()
    sys.exit(serve(arguments.port, arguments.today))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loppestars-crawler", description="Crawls the Danish market sites.")
    commands = parser.add_subparsers(dest="command", required=True)
    sample = commands.add_parser(
        "sample-site",
        help="serve a made-up copy of the market sites on this machine",
        description=(
            "Serve made-up markets as the real sites would list them, on 127.0.0.1 only. The first line printed says "
            "where; the next ones are the settings that point a crawl at it."
        ),
    )
    sample.add_argument("--port", type=_port, default=8081, metavar="N", help="port, 0 for a free one (default 8081)")
    sample.add_argument("--today", type=_day, metavar="YYYY-MM-DD", help="the day to pretend (default: today)")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:  # noqa: PLR2004 - the highest port
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2026-11-21") from None


if __name__ == "__main__":
    main()
