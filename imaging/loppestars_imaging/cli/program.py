"""The command line of `loppestars-imaging`."""

import argparse
import asyncio
import sys
from typing import Any

import structlog

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.logging import configure_logging, redact_text
from loppestars_core.kit.settings import describe, load_settings
from loppestars_imaging.cli.arguments import add_blur, whole
from loppestars_imaging.cli.streams import open_missing_streams
from loppestars_imaging.settings import ImagingSettings

log = structlog.get_logger(__name__)


def run_command(arguments: list[str] | None = None) -> None:
    """Parse the command line, do what it says, exit with its code."""
    open_missing_streams()
    options = _parser().parse_args(arguments)
    sys.exit(options.run(options))


def _work(options: argparse.Namespace) -> int:
    from loppestars_imaging.worker.start import start  # noqa: PLC0415 - other commands need no engines

    settings = load_settings(ImagingSettings)
    if options.processes is not None:
        settings = settings.model_copy(update={"imaging_processes": options.processes})
    configure_logging("imaging", settings.log_level)
    try:
        return asyncio.run(start(settings))
    except OSError as error:
        log.error(  # noqa: TRY400 - the reason is the sentence, not the trace
            "cannot start",
            reason=error.strerror or str(error),
            next_step="free the port, or set METRICS_PORT to another (0 takes a free one)",
        )
        return ExitCode.FAILED


def _sweep(_options: argparse.Namespace) -> int:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - other commands need no database, and no storage

    from loppestars_core.storage import StorageError  # noqa: PLC0415
    from loppestars_imaging.sweep import sweep  # noqa: PLC0415

    settings = load_settings(ImagingSettings)
    configure_logging("sweep", settings.log_level)
    try:
        asyncio.run(sweep(settings))
    except (SQLAlchemyError, StorageError, OSError) as error:
        log.error("sweep not finished; run it again", reason=redact_text(str(error)))  # noqa: TRY400 - see above
        return ExitCode.FAILED
    return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loppestars-imaging", description="Makes faces in photos unrecognisable.")
    commands = parser.add_subparsers(dest="command", required=True)
    worker = commands.add_parser(
        "work",
        help="take photos from the queue until SIGTERM",
        description="Take photos from the queue until SIGTERM; photos in hand are finished.",
        epilog=describe(ImagingSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    worker.add_argument("--processes", type=whole(1, 64), help="photos worked on at the same time (IMAGING_PROCESSES)")
    worker.set_defaults(run=_work)
    sweeper = commands.add_parser(
        "sweep",
        help="delete old originals and temporary objects, once",
        description="Delete originals and temporary objects that are older than their retention, once.",
        epilog=describe(ImagingSettings),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sweeper.set_defaults(run=_sweep)
    _add_commands_without_queue(commands)
    return parser


def _add_commands_without_queue(commands: Any) -> None:  # noqa: ANN401 - argparse does not name its type in public
    blur = commands.add_parser(
        "blur",
        help="hide the faces in files and folders of photos",
        description="Hide the faces in photos. Results are upright and without metadata; sub-folders are kept.",
        epilog="exit codes: 0 all photos are done, 1 some failed, 2 wrong usage, 130 interrupted, 143 terminated",
    )
    add_blur(blur)
    blur.set_defaults(run=_blur)
    doctor = commands.add_parser(
        "doctor",
        help="say what model, libraries and CPU features are used",
        description="Say what is used on this machine, and whether it is the fast path. Exits 1 when not ready.",
    )
    doctor.set_defaults(run=_doctor)


def _blur(options: argparse.Namespace) -> int:
    from loppestars_imaging.cli.blur import run  # noqa: PLC0415 - workers load no image libraries

    try:
        return run(options)
    except KeyboardInterrupt:  # before the first photo, or after the last
        return ExitCode.INTERRUPTED


def _doctor(_options: argparse.Namespace) -> int:
    from loppestars_imaging.cli.doctor import run  # noqa: PLC0415 - workers load no image libraries

    return run()
