"""`loppestars-imaging blur`: hide the faces in files and folders of photos."""

import argparse
import contextlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loppestars_core.exit_codes import ExitCode
from loppestars_imaging.commands.batch import Outcome, Selection, Wish, Work, collect, overwritten
from loppestars_imaging.commands.contact_sheet import MOST_PAIRS, contact_sheet
from loppestars_imaging.commands.parallel import outcomes
from loppestars_imaging.detectors.weights import YUNET_S
from loppestars_imaging.errors import DetectorUnavailable


def run(options: argparse.Namespace) -> int:
    """Return 0 when all photos are done, 1 when some failed, 2 for wrong usage, 130 after Ctrl-C."""
    console = Console(stderr=True)
    wrong = _wrong_usage(options)
    if wrong:
        _say(f"loppestars-imaging blur: {wrong}")
        return ExitCode.USAGE
    try:
        YUNET_S.read()
    except DetectorUnavailable as error:
        _say(str(error))
        return ExitCode.FAILED
    reserved = {_preview(options.output)} if options.preview else set()
    selection = collect(options.inputs, options.output, reserved)
    if not selection.work:
        _say("There are no photos in what was given.")
        return ExitCode.USAGE
    original = overwritten(selection.work)
    if original is not None:
        _say(f"loppestars-imaging blur: '{original}' would be overwritten; give another folder to -o.")
        return ExitCode.USAGE
    wish = Wish(
        style=options.style,
        shape=options.shape,
        min_confidence=options.min_confidence,
        orientations=options.orientations,
        jpeg_only=options.jpeg,
        max_pixels=options.max_megapixels * 1_000_000,
    )
    return _finish(selection, _run_all(selection.work, wish, options.processes, console), options)


def _say(text: str) -> None:
    """One line, never wrapped: paths are copied from it."""
    sys.stderr.write(f"{text}\n")


def _wrong_usage(options: argparse.Namespace) -> str | None:
    for given in options.inputs:
        if not given.exists():
            return f"'{given}' does not exist."
        if not given.is_file() and not given.is_dir():
            return f"'{given}' is neither a file nor a folder."
    if options.output.exists() and not options.output.is_dir():
        return f"'{options.output}' is a file; -o takes a folder."
    if any(given.resolve() == options.output.resolve() for given in options.inputs):
        return "The results would overwrite the originals; give another folder to -o."
    if options.processes < 1 or options.max_megapixels < 1:
        return "--processes and --max-megapixels start at 1."
    return None


def _run_all(work: list[Work], wish: Wish, processes: int, console: Console) -> list[Outcome]:
    """Work through the files in parallel, in any order; return the outcomes in the order of the files.

    Ctrl-C ends it early: what is done stays, and what is not is missing from the outcomes.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    done: dict[Path, Outcome] = {}
    with (
        contextlib.suppress(KeyboardInterrupt),
        contextlib.closing(outcomes(work, wish, processes)) as finished,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        bar = progress.add_task("Hiding faces", total=len(work))
        for item, outcome in finished:
            done[item.target] = outcome
            progress.advance(bar)
    return [done[item.target] for item in work if item.target in done]


def _finish(selection: Selection, done: list[Outcome], options: argparse.Namespace) -> int:
    failed = [outcome for outcome in done if outcome.status != "done"]
    missing = len(selection.work) - len(done)
    for outcome in failed:
        _say(f"{outcome.file}: {outcome.error}")
    try:
        _write_extras(done, options)
    except OSError as error:
        _say(f"The photos are done, but '{error.filename}' cannot be written: {error.strerror}.")
        return ExitCode.FAILED
    faces = sum(len(outcome.faces) for outcome in done)
    parts = [
        f"{_counted(len(done) - len(failed), 'photo')} done",
        f"{_counted(faces, 'face')} hidden",
        f"{len(failed)} failed",
    ]
    if selection.left_out:
        parts.append(f"{_counted(selection.left_out, 'other file')} left out")
    sys.stdout.write(f"{', '.join(parts)}\n")
    if missing:
        _say(f"Interrupted: {_counted(missing, 'photo')} not done. The same command does all of them again.")
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if failed else ExitCode.DONE


def _write_extras(done: list[Outcome], options: argparse.Namespace) -> None:
    if options.report is not None:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([outcome.as_dict() for outcome in done], indent=2)
        options.report.write_text(f"{text}\n", encoding="utf-8")
    pairs = [(Path(outcome.file), Path(outcome.output)) for outcome in done if outcome.output]
    if options.preview and pairs:
        contact_sheet(pairs, _preview(options.output))
        if len(pairs) > MOST_PAIRS:
            _say(f"The preview shows the first {MOST_PAIRS} of {len(pairs)} photos.")


def _preview(output: Path) -> Path:
    return output / "preview.jpg"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
