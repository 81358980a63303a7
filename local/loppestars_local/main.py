"""Entry point of `loppestars-local`."""

import os
import signal
import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command that the command line names, and exit with its code."""
    # The modules take a second to be read. Nothing runs until then, so there is nothing to stop.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    if (sys.argv[1:] if arguments is None else arguments)[:1] == ["run"]:
        sys.stdout.write("Starting Loppestars …\n")
        sys.stdout.flush()
    from loppestars_core.kit.cli import run  # noqa: PLC0415 - see above
    from loppestars_local.cli import app  # noqa: PLC0415 - see above

    run(app, arguments)
