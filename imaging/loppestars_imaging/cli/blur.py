"""`loppestars-imaging blur`: hide the faces in files and folders of photos."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.logging import configure_logging
from loppestars_imaging.cli.batch import Outcome, explained, work_through, write_whole
from loppestars_imaging.cli.interrupts import run_interruptible
from loppestars_imaging.cli.preview import MAX_PAIRS, draw_apart
from loppestars_imaging.cli.selection import Selection, Work, collect, overwritten
from loppestars_imaging.cli.streams import tell
from loppestars_imaging.cli.usage import wrong_inputs, wrong_places
from loppestars_imaging.detect.weights import YUNET_S
from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.settings import EngineSettings
from loppestars_imaging.errors import DetectorUnavailable, ImagingError
from loppestars_imaging.inspect import MEGA, MIB

_BASE_MIB, _MIB_PER_MEGAPIXEL = 256, 40
"""What an engine may take unless told: enough for the most expensive format, a WebP with alpha."""


def run(options: argparse.Namespace) -> int:
    """Return 0 when all photos are done, 1 when some failed, 2 for wrong usage, 130 after Ctrl-C."""
    selection, wrong = _selected(options)
    if wrong:
        _say(f"loppestars-imaging blur: {wrong}")
        return ExitCode.USAGE
    configure_logging("blur", "ERROR")
    done: dict[Path, Outcome] = {}
    try:
        YUNET_S.read()
        interrupted = _work(selection.work, options, done)
    except ImagingError as error:
        _say(str(error))
        if not isinstance(error, DetectorUnavailable):
            _say("`loppestars-imaging doctor` says more.")
        return ExitCode.FAILED
    outcomes = [
        Outcome(str(error.filename), "failed", explained(error, Path(error.filename))) for error in selection.unreadable
    ]
    outcomes += [done[item.target] for item in selection.work if item.target in done]
    return _finish(selection, outcomes, options, interrupted)


def _say(text: str) -> None:
    tell(sys.stderr, text)


def _selected(options: argparse.Namespace) -> tuple[Selection, str]:
    """Return what is to be done, and what is wrong with the command line, if anything."""
    extras = {path for path in (_preview(options), options.report) if path is not None}
    for wrong in wrong_inputs(options.inputs, options.output):
        return Selection(), wrong
    selection = collect(options.inputs, options.output, extras)
    if not selection.work and not selection.unreadable:
        return selection, "There are no photos in what was given."
    original = overwritten(selection, extras)
    if original is not None:
        return selection, f"'{original}' would be overwritten; give another folder to -o, or another file to --report."
    return selection, next(wrong_places(options.output, options.report, _preview(options)), "")


def _work(work: list[Work], options: argparse.Namespace, done: dict[Path, Outcome]) -> int:
    """Work through the files; return 0, or the exit code of the signal that ended it early. What is done stays."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Hiding faces", total=len(work))

        def finished(item: Work, outcome: Outcome) -> None:
            done[item.target] = outcome
            progress.advance(bar)

        task = Task("pixelate", cell_pixels=0, least_side=0, jpeg_only=options.jpeg, shape=options.shape)
        return run_interruptible(work_through(work, _settings(options), task, finished))


def _settings(options: argparse.Namespace) -> EngineSettings:
    return EngineSettings(
        imaging_processes=options.processes,
        anonymise_style=options.style,
        min_confidence=options.min_confidence,
        search_orientations=options.orientations,
        max_pixels=options.max_megapixels * MEGA,
        max_bytes=options.max_megabytes * MIB,
        photo_timeout_seconds=options.timeout,
        engine_memory_mib=_memory(options),
    )


def _memory(options: argparse.Namespace) -> int:
    return int(options.memory or _BASE_MIB + _MIB_PER_MEGAPIXEL * max(options.max_megapixels, 50))


def _finish(selection: Selection, done: list[Outcome], options: argparse.Namespace, interrupted: int) -> int:
    failed = [outcome for outcome in done if outcome.status != "done"]
    for outcome in failed:
        _say(f"{outcome.file}: {outcome.error}")
    complete = _write_report(done, options) & _draw_preview(done, options)
    parts = [
        f"{_counted(len(done) - len(failed), 'photo')} done",
        f"{_counted(sum(len(outcome.faces) for outcome in done), 'face')} hidden",
        f"{len(failed)} failed",
    ]
    if selection.left_out:
        parts.append(f"{_counted(selection.left_out, 'other file')} left out")
    if selection.links:
        parts.append(f"{_counted(selection.links, 'link')} to folders not followed")
    tell(sys.stdout, ", ".join(parts))
    if interrupted:
        missing = len(selection.work) + len(selection.unreadable) - len(done)
        _say(f"Interrupted: {_counted(missing, 'photo')} not done. The same command does all of them again.")
        return interrupted
    return ExitCode.DONE if complete and not failed else ExitCode.FAILED


def _write_report(done: list[Outcome], options: argparse.Namespace) -> bool:
    if options.report is None:
        return True
    text = json.dumps([outcome.as_dict() for outcome in done], indent=2)
    try:
        write_whole(options.report, f"{text}\n".encode())
    except OSError as error:
        _say(f"The report '{options.report}' cannot be written: {explained(error, options.report)}.")
        return False
    return True


def _draw_preview(done: list[Outcome], options: argparse.Namespace) -> bool:
    target = _preview(options)
    pairs = [(Path(outcome.file), Path(outcome.output)) for outcome in done if outcome.output]
    if target is None or not pairs:
        return True
    if not draw_apart(pairs, target, _memory(options)):
        _say(f"The preview '{target}' cannot be drawn.")
        return False
    if len(pairs) > MAX_PAIRS:
        _say(f"The preview shows the first {MAX_PAIRS} of {len(pairs)} photos.")
    return True


def _preview(options: argparse.Namespace) -> Path | None:
    return Path(options.output) / "preview.jpg" if options.preview else None


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
