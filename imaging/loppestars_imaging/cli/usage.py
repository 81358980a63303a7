"""What is wrong with the paths that `blur` was given, in a sentence, before any work is done."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def wrong_inputs(inputs: list[Path], output: Path) -> Iterator[str]:
    """Yield what is wrong; nothing is written."""
    for given in inputs:
        try:
            if not given.exists():
                yield f"'{given}' does not exist."
            elif not given.is_file() and not given.is_dir():
                yield f"'{given}' is neither a file nor a folder."
        except OSError as error:
            yield f"'{given}' cannot be looked at: {error.strerror}."
    if os.path.lexists(output) and not output.is_dir():
        yield f"'{output}' is not a folder; -o takes a folder."
        return
    results = output.resolve()
    for given in inputs:
        if given.is_dir() and given.resolve() == results:
            yield "The results would overwrite the originals; give another folder to -o."
        elif given.is_dir() and results in given.resolve().parents:
            yield f"'{output}' holds '{given}', and its other photos could be overwritten; give another folder to -o."


def wrong_places(output: Path, report: Path | None, preview: Path | None) -> Iterator[str]:
    """Make the folders that are written to, and yield which cannot be: before the work, not after hours of it."""
    if report is not None and preview is not None and report.resolve() == preview.resolve():
        yield f"'{report}' is where --preview draws; give another file to --report."
    if report is not None and report.is_dir():
        yield f"'{report}' is a folder; --report takes a file."
    for folder in [output] if report is None else [output, report.parent]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            yield f"Nothing can be written to '{folder}': {error.strerror}."
