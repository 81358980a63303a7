"""Which files `blur` works on, where their results go, and how one of them is done."""

import time
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from loppestars_imaging.errors import ImagingError
from loppestars_imaging.header import Format, Limits
from loppestars_imaging.options import Options, Orientations, Shape, Style

if TYPE_CHECKING:
    from loppestars_imaging.pipeline import Anonymiser

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".heic", ".heif"})
"""Which files of a folder are taken for photos; a file named on the command line is always tried."""
_RESULT_SUFFIXES = {Format.JPEG: ".jpg", Format.PNG: ".png", Format.WEBP: ".webp"}
_SAME = {Format.JPEG: {".jpg", ".jpeg", ".jpe", ".jfif"}, Format.PNG: {".png"}, Format.WEBP: {".webp"}}


@dataclass(frozen=True, slots=True)
class Work:
    """One file, and where its result goes; the suffix follows the format of the result."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Wish:
    """How all files of a run are treated."""

    style: Style = Style.MOSAIC
    shape: Shape = Shape.ELLIPSE
    min_confidence: float = 0.5
    orientations: Orientations = Orientations.AUTO
    jpeg_only: bool = False
    max_pixels: int = Limits().max_pixels


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file; an element of the report. Boxes in pixels of the upright photo."""

    file: str
    status: str
    error: str | None = None
    output: str | None = None
    width: int | None = None
    height: int | None = None
    faces: list[dict[str, float]] = field(default_factory=list)
    milliseconds: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Return it as the report has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Selection:
    """What was found in the inputs."""

    work: list[Work]
    left_out: int
    """Files of folders that are no photos by their names."""


def collect(inputs: list[Path], output: Path, reserved: set[Path] | None = None) -> Selection:
    """List files, and the photos of folders with their sub-folders kept; results of an earlier run are left out.

    Every file gets a result of its own, and none of the `reserved` paths. Links to folders are not followed.
    """
    taken, work, left_out = set(reserved or ()), [], 0
    results = output.resolve()
    for given in inputs:
        found = sorted(path for path in given.rglob("*") if path.is_file()) if given.is_dir() else [given]
        for source in found:
            if given.is_dir() and results in source.resolve().parents:
                continue
            if given.is_dir() and source.suffix.lower() not in SUFFIXES:
                left_out += 1
                continue
            target = _free(output / (source.relative_to(given) if given.is_dir() else source.name), taken)
            taken |= possible_results(target)
            work.append(Work(source, target))
    return Selection(work, left_out)


def overwritten(work: list[Work]) -> Path | None:
    """Return an original that the results could replace."""
    originals = {item.source.resolve() for item in work}
    written = {path.resolve() for item in work for path in possible_results(item.target)}
    return min(originals & written, default=None)


def possible_results(target: Path) -> set[Path]:
    """Return the paths that the result for a target may have, depending on its format."""
    return {_with_suffix(target, kind) for kind in _RESULT_SUFFIXES}


def _free(target: Path, taken: set[Path]) -> Path:
    """Return the path, numbered where the result of another file may get it."""
    candidate, number = target, 2
    while possible_results(candidate) & taken:
        candidate = target.with_stem(f"{target.stem}-{number}")
        number += 1
    return candidate


def process(work: Work, wish: Wish) -> Outcome:
    """Do one file. Never raises for what is wrong with the file or the disk: the outcome says it."""
    outcome, started = Outcome(str(work.source), "failed"), time.perf_counter()
    try:
        anonymiser = _loaded(wish.max_pixels)
        started = time.perf_counter()
        options = Options(
            style=wish.style,
            shape=wish.shape,
            min_confidence=wish.min_confidence,
            orientations=wish.orientations,
        )
        done = anonymiser.anonymise(work.source.read_bytes(), options, jpeg_only=wish.jpeg_only)
        target = _with_suffix(work.target, done.format)
        _write(target, done.data)
        faces = [
            {"x": round(f.x, 1), "y": round(f.y, 1), "width": round(f.width, 1), "height": round(f.height, 1)}
            | {"score": round(f.score, 3)}
            for f in done.faces
        ]
        outcome = Outcome(str(work.source), "done", None, str(target), done.width, done.height, faces)
    except ImagingError as error:
        outcome = replace(outcome, error=str(error))
    except MemoryError:
        outcome = replace(outcome, error="There is not enough memory for this photo.")
    except OSError as error:
        outcome = replace(outcome, error=f"{error.strerror or error}: {error.filename or work.source}")
    return replace(outcome, milliseconds=round((time.perf_counter() - started) * 1000, 1))


@cache
def _loaded(max_pixels: int) -> "Anonymiser":
    """Return this process's pipeline; the model is loaded with the first photo."""
    from loppestars_imaging.detectors.yunet import YuNet  # noqa: PLC0415 - only the processes that work need it
    from loppestars_imaging.pipeline import Anonymiser  # noqa: PLC0415

    return Anonymiser(YuNet(), limits=Limits(max_pixels=max_pixels))


def _with_suffix(target: Path, kind: Format) -> Path:
    """Keep a suffix that fits the result; else add the right one, so that a.heic and a.avif stay apart."""
    return target if target.suffix.lower() in _SAME[kind] else target.with_name(target.name + _RESULT_SUFFIXES[kind])


def discard_partial(work: Work) -> None:
    """Remove what a process that was ended has left of its result."""
    for target in possible_results(work.target):
        _partial(target).unlink(missing_ok=True)


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _write(target: Path, data: bytes) -> None:
    """Write whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(target)
    try:
        partial.write_bytes(data)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
