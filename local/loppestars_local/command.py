"""The command line of `loppestars-local`."""

import argparse
import sys

from pydantic import ValidationError

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.settings import describe, explain
from loppestars_local.run import run
from loppestars_local.settings import RunSettings


def run_command(arguments: list[str] | None = None) -> None:
    """Parse the command line, run, and exit with the code of what happened."""
    parser = argparse.ArgumentParser(
        prog="loppestars-local",
        description="The whole platform on one machine: PostgreSQL, API, imaging, one crawl of a sample site.",
        epilog=describe(RunSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["run"], help="run until Ctrl-C")
    parser.parse_args(arguments)
    try:
        settings = RunSettings()
    except ValidationError as error:
        sys.stderr.write("\n".join(explain(error, RunSettings)) + "\n")
        sys.exit(ExitCode.USAGE)
    sys.exit(run(settings))
