"""Entry point of `loppestars-imaging`."""

import os
import signal


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, do what it says, exit with its code."""
    # The modules take half a second to be read. Nothing runs until then, so there is nothing to stop.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from loppestars_imaging.cli.program import run_command  # noqa: PLC0415 - see above

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command(arguments)
