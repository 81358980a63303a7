"""`loppestars-imaging blur`: hide the faces in files and folders of photos."""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loppestars_core.exit_codes import ExitCode
from loppestars_imaging.commands.batch import Outcome, Wish, Work, collect, process
from loppestars_imaging.commands.contact_sheet import contact_sheet
from loppestars_imaging.detectors.weights import YUNET_S
from loppestars_imaging.errors import DetectorUnavailable

_SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PHOTOS_PER_PROCESS = 500  # then it is replaced, and whatever a decoder has leaked with it


def run(options: argparse.Namespace) -> int:
    """Return 0 when all photos are done, 1 when some failed, 2 for wrong usage."""
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
    work = list(collect(options.inputs, options.output))
    if not work:
        _say("There are no photos in what was given.")
        return ExitCode.USAGE
    wish = Wish(
        style=options.style,
        shape=options.shape,
        min_confidence=options.min_confidence,
        orientations=options.orientations,
        jpeg_only=options.jpeg,
        max_pixels=options.max_megapixels * 1_000_000,
    )
    outcomes = _run_all(work, wish, options.processes, console)
    return _finish(outcomes, options)


def _say(text: str) -> None:
    """One line, never wrapped: paths are copied from it."""
    sys.stderr.write(f"{text}\n")


def _wrong_usage(options: argparse.Namespace) -> str | None:
    for given in options.inputs:
        if not given.exists():
            return f"'{given}' does not exist."
    if options.output.exists() and not options.output.is_dir():
        return f"'{options.output}' is a file; -o takes a folder."
    if any(given.resolve() == options.output.resolve() for given in options.inputs):
        return "The results would overwrite the originals; give another folder to -o."
    if any(given.is_file() and given.resolve().parent == options.output.resolve() for given in options.inputs):
        return "The results would overwrite the originals; give another folder to -o."
    if options.processes < 1 or options.max_megapixels < 1:
        return "--processes and --max-megapixels start at 1."
    return None


def _run_all(work: list[Work], wish: Wish, processes: int, console: Console) -> list[Outcome]:
    """Work through the files in parallel, in any order; return the outcomes in the order of the files."""
    for name in _SINGLE_THREADED:
        os.environ.setdefault(name, "1")  # before the children start: one thread each
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    outcomes: dict[Path, Outcome] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("Hiding faces", total=len(work))
        for item, outcome in _outcomes(work, wish, min(processes, len(work))):
            outcomes[item.target] = outcome
            progress.advance(bar)
    return [outcomes[item.target] for item in work]


def _outcomes(work: list[Work], wish: Wish, processes: int) -> Iterator[tuple[Work, Outcome]]:
    """A photo that ends its process breaks the pool: what was under way is then done one by one, alone."""
    left = list(work)
    try:
        with _pool(processes) as pool:
            running: dict[Future[Outcome], Work] = {pool.submit(process, item, wish): item for item in work}
            for future in as_completed(running):
                outcome = future.result()
                left.remove(running[future])
                yield running[future], outcome
    except BrokenProcessPool:
        for item in left:
            yield item, _alone(item, wish)


def _alone(item: Work, wish: Wish) -> Outcome:
    try:
        with _pool(1) as pool:
            return pool.submit(process, item, wish).result()
    except BrokenProcessPool:
        return Outcome(str(item.source), "failed", "The process that held this photo died.")


def _pool(processes: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, max_tasks_per_child=_PHOTOS_PER_PROCESS)


def _finish(outcomes: list[Outcome], options: argparse.Namespace) -> int:
    failed = [outcome for outcome in outcomes if outcome.status != "done"]
    for outcome in failed:
        _say(f"{outcome.file}: {outcome.error}")
    try:
        if options.report is not None:
            options.report.parent.mkdir(parents=True, exist_ok=True)
            options.report.write_text(json.dumps([outcome.as_dict() for outcome in outcomes], indent=2) + "\n")
        if options.preview:
            pairs = [(Path(outcome.file), Path(outcome.output)) for outcome in outcomes if outcome.output]
            contact_sheet(pairs, options.output / "preview.jpg")
    except OSError as error:
        _say(f"The photos are done, but '{error.filename}' cannot be written: {error.strerror}.")
        return ExitCode.FAILED
    faces = sum(len(outcome.faces) for outcome in outcomes)
    sys.stdout.write(f"{len(outcomes) - len(failed)} photos done, {faces} faces hidden, {len(failed)} failed\n")
    return ExitCode.FAILED if failed else ExitCode.DONE
