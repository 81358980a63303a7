"""Which files `blur` works on, where their results go, and how one of them is done."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from loppestars_imaging.errors import ImagingError
from loppestars_imaging.header import Format, Limits
from loppestars_imaging.orientation import Orientations
from loppestars_imaging.treatment import Options, Shape, Style

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
    min_confidence: float | None = None
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


def collect(inputs: list[Path], output: Path) -> Iterator[Work]:
    """List files, and the photos of folders with their sub-folders kept; results of an earlier run are left out."""
    taken: set[Path] = set()
    for given in inputs:
        found = [given] if given.is_file() else sorted(path for path in given.rglob("*") if path.is_file())
        for source in found:
            inside = source.relative_to(given) if given.is_dir() else Path(source.name)
            if given.is_dir() and (
                source.suffix.lower() not in SUFFIXES or output.resolve() in source.resolve().parents
            ):
                continue
            target = _free(output / inside, taken)
            taken.add(target)
            yield Work(source, target)


def _free(target: Path, taken: set[Path]) -> Path:
    """Return the path, numbered where another file of this run already has it."""
    candidate, number = target, 2
    while candidate in taken:
        candidate = target.with_stem(f"{target.stem}-{number}")
        number += 1
    return candidate


def process(work: Work, wish: Wish) -> Outcome:
    """Do one file. Never raises for what is wrong with the file or the disk: the outcome says it."""
    started = time.perf_counter()
    outcome = Outcome(str(work.source), "failed")
    try:
        options = Options(
            style=wish.style,
            shape=wish.shape,
            min_confidence=wish.min_confidence,
            orientations=wish.orientations,
        )
        done = _loaded(wish.max_pixels).anonymise(work.source.read_bytes(), options, jpeg_only=wish.jpeg_only)
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


def _write(target: Path, data: bytes) -> None:
    """Write whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
