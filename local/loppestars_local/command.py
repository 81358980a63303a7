"""The command line of `loppestars-local`."""

import argparse
import sys
from datetime import date
from typing import Final

from pydantic import ValidationError

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.settings import describe, explain
from loppestars_local.sample_site.server import LOOPBACK, serve
from loppestars_local.settings import RunSettings

_MAX_PORT: Final = 65_535


def run_command(arguments: list[str] | None = None) -> None:
    """Parse the command line, run, and exit with the code of what happened."""
    parser = argparse.ArgumentParser(
        prog="loppestars-local",
        description="The whole platform on one machine: PostgreSQL, API, imaging, one crawl of a sample site.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "run",
        help="run until Ctrl-C",
        epilog=describe(RunSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_sample_site(commands)
    options = parser.parse_args(arguments)
    if options.command == "sample-site":
        sys.exit(serve(options.port, options.today, options.host))
    sys.exit(_run())


def _add_sample_site(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    sample = commands.add_parser(
        "sample-site",
        help="serve a made-up copy of the market sites",
        description=(
            "Serve made-up markets as the real sites would list them, on loopback by default. The first line printed "
            "is the address; the next ones are the settings that point a crawl at it."
        ),
    )
    sample.add_argument("--port", type=_port, default=8081, metavar="N", help="port, 0 for a free one (default 8081)")
    sample.add_argument(
        "--host",
        default=LOOPBACK,
        metavar="ADDRESS",
        help=f"address to listen on; 0.0.0.0 in a pod (default {LOOPBACK})",
    )
    sample.add_argument("--today", type=_day, metavar="YYYY-MM-DD", help="date to pretend (default: today)")


def _run() -> int:
    """Run the platform and return its exit code."""
    try:
        settings = RunSettings()
    except ValidationError as error:
        sys.stderr.write("\n".join(explain(error, RunSettings)) + "\n")
        return ExitCode.USAGE
    # Its modules need every component; the sample site's image has none of them.
    from loppestars_local.run import run  # noqa: PLC0415

    return run(settings)


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(_MAX_PORT)) or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"invalid port {text[:20]!r}: expected 0 to {_MAX_PORT}")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid date {text[:20]!r}: expected a date such as 2026-11-21") from None
