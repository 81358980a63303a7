"""The command line of `loppestars-imaging`."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.cli import Json, Version, epilog, program, run
from loppestars_core.kit.logging import configure_logging, redact_text
from loppestars_core.kit.settings import describe, load_settings
from loppestars_imaging.cli.request import BlurRequest, available_cores
from loppestars_imaging.cli.streams import open_missing_streams
from loppestars_imaging.options import Orientations, Shape, Style
from loppestars_imaging.settings import ImagingSettings

log = structlog.get_logger(__name__)

app: Final = program(
    "loppestars-imaging",
    "Covers the faces in photos, as a worker or in a folder.",
    local=True,
    epilog=epilog(examples=["loppestars-imaging blur holiday/ -o shareable/", "loppestars-imaging doctor"]),
)
_VARIABLES: Final = epilog(describe(ImagingSettings))
_CORES: Final = min(available_cores(), 64)


def run_command(arguments: list[str] | None = None) -> None:
    """Parse the command line, do what it says, exit with its code."""
    open_missing_streams()
    run(app, arguments)


@app.command(epilog=_VARIABLES)
def work(
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="Photos processed at a time (IMAGING_PROCESSES).")
    ] = None,
) -> None:
    """Take photos from the queue until SIGTERM; photos in hand are finished."""
    from loppestars_imaging.worker.start import start  # noqa: PLC0415 - other commands need no engines

    settings = load_settings(ImagingSettings)
    if processes is not None:
        settings = settings.model_copy(update={"imaging_processes": processes})
    configure_logging("imaging", settings.log_level)
    try:
        code = asyncio.run(start(settings))
    except OSError as error:
        log.error(  # noqa: TRY400 - the reason is the sentence, not the trace
            "worker_not_started",
            reason=error.strerror or str(error),
            next_step="free the port, or set METRICS_PORT to another (0 takes a free one)",
        )
        code = ExitCode.FAILED
    raise typer.Exit(code)


@app.command(epilog=_VARIABLES)
def sweep() -> None:
    """Delete originals and ephemeral photos that are older than their retention, once."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - other commands need no database, and no storage

    from loppestars_core.storage import StorageError  # noqa: PLC0415 - likewise
    from loppestars_imaging.sweep import sweep as sweep_once  # noqa: PLC0415 - likewise

    settings = load_settings(ImagingSettings)
    configure_logging("sweep", settings.log_level)
    try:
        asyncio.run(sweep_once(settings))
    except (SQLAlchemyError, StorageError, OSError) as error:
        log.error("sweep_failed", reason=redact_text(str(error)), next_step="run it again")  # noqa: TRY400 - as above
        raise typer.Exit(ExitCode.FAILED) from None


@app.command(
    epilog=epilog(
        examples=[
            "loppestars-imaging blur holiday/ portrait.heic -o shareable/ --report shareable/report.json",
            "loppestars-imaging blur market.jpg -o out/ --style mosaic --strength 40 --side 2048",
            "loppestars-imaging blur holiday/ -o shareable/ --review",
        ],
        notes="exit codes: 0 all photos are done, 1 some failed, 2 wrong usage, 130 interrupted, 143 terminated",
    )
)
def blur(  # noqa: PLR0913 - one parameter per option
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Photos, and folders of photos.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the results; earlier results are replaced.")
    ],
    *,
    style: Annotated[Style, typer.Option(help="How faces are covered.")] = Style.SMOOTH,
    strength: Annotated[
        int | None,
        typer.Option(min=1, max=99, help="How soft the smooth fill is (default 31), or side of the mosaic's cells."),
    ] = None,
    side: Annotated[
        int, typer.Option(metavar="PIXELS", min=0, max=65_500, help="Longest side of the results; 0 keeps every pixel.")
    ] = 0,
    shape: Annotated[Shape, typer.Option(help="Outline of the covers.")] = Shape.ELLIPSE,
    min_confidence: Annotated[
        float,
        typer.Option(min=0.01, max=0.6, help="Score from which a face counts; a lower one finds more, also of else."),
    ] = 0.5,
    orientations: Annotated[
        Orientations, typer.Option(help="Also search photos that lie on their side: where no face is clear upright.")
    ] = Orientations.AUTO,
    jpeg: Annotated[bool, typer.Option("--jpeg", help="Write JPEG only; else PNG and WebP stay.")] = False,
    max_megapixels: Annotated[int, typer.Option(min=1, max=1000, help="Larger photos are refused.")] = 50,
    max_megabytes: Annotated[int, typer.Option(min=1, max=500, help="Larger files are refused.")] = 50,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Photos processed at a time.")] = _CORES,
    memory: Annotated[
        int | None, typer.Option(metavar="MIB", min=384, help="Memory limit of one process; by the largest photo.")
    ] = None,
    timeout: Annotated[int, typer.Option(metavar="SECONDS", min=1, max=300, help="Longest work on a photo.")] = 120,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was found, as JSON.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Draw before and after into DIR/preview.jpg.")] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Check, add and remove covers in the browser before anything is written.")
    ] = False,
    json: Json = False,
    version: Version = False,  # noqa: ARG001 - acts by its callback
) -> None:
    """Cover the faces in photos. Results are upright and without metadata; sub-folders are kept."""
    from loppestars_imaging.cli.blur import run_blur  # noqa: PLC0415 - workers load no image libraries

    request = BlurRequest(
        inputs=inputs,
        output=output,
        style=style,
        strength=strength,
        shape=shape,
        side=side,
        min_confidence=min_confidence,
        orientations=orientations,
        jpeg=jpeg,
        max_megapixels=max_megapixels,
        max_megabytes=max_megabytes,
        processes=processes,
        memory=memory,
        timeout=timeout,
        report=report,
        preview=preview,
        review=review,
        json=json,
    )
    try:
        code = run_blur(request)
    except KeyboardInterrupt:  # before the first photo, or after the last
        code = ExitCode.INTERRUPTED
    raise typer.Exit(code)


@app.command()
def doctor(*, json: Json = False) -> None:
    """Show the model, libraries, CPU features and protection in use; exit with 1 when not ready."""
    from loppestars_imaging.cli.doctor import run_doctor  # noqa: PLC0415 - workers load no image libraries

    raise typer.Exit(run_doctor(json=json))
