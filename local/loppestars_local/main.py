"""Entry point of `loppestars-local`."""

import os
import signal


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, run, and exit with the code of what happened."""
    # The modules take a second to be read. Nothing runs until then, so there is nothing to stop.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    from loppestars_local.command import run_command  # noqa: PLC0415

    run_command(arguments)
