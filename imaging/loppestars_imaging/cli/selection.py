"""Which files `blur` works on, and where their results go."""

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loppestars_imaging.inspect import Format

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".avif", ".heic", ".heif"})
"""Which files of a folder are taken for photos; a file named on the command line is always tried."""
_OTHER_KINDS: Final = {
    "a video": {
        ".mp4",
        ".mov",
        ".m4v",
        ".avi",
        ".mkv",
        ".webm",
        ".mpg",
        ".mpeg",
        ".mts",
        ".m2ts",
        ".3gp",
        ".wmv",
        ".flv",
    },
    "a GIF": {".gif"},
    "a TIFF": {".tif", ".tiff"},
    "a raw photo": {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"},
    "a picture of a format that is not read": {".bmp", ".svg", ".jxl", ".jp2", ".j2k", ".psd", ".ico", ".tga", ".exr"},
}
_APPLE_DOUBLE: Final = "._"  # macOS writes such a file next to every file on a foreign disk; it holds no picture
_RESULT_SUFFIXES: Final = {Format.JPEG: ".jpg", Format.PNG: ".png", Format.WEBP: ".webp"}
_SAME: Final = {Format.JPEG: {".jpg", ".jpeg", ".jpe", ".jfif"}, Format.PNG: {".png"}, Format.WEBP: {".webp"}}


@dataclass(frozen=True, slots=True)
class Work:
    """One file, and where its result goes; the suffix follows the format of the result."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file of a folder that is not a photo, and what it is."""

    path: Path
    reason: str


@dataclass(slots=True)
class Selection:
    """What was found in the inputs."""

    work: list[Work] = field(default_factory=list)
    unreadable: list[OSError] = field(default_factory=list)
    """Folders whose photos may not be listed."""
    left_out: list[LeftOut] = field(default_factory=list)
    """Files of folders that are not photos by their names."""
    links: int = 0
    """Links to folders, which are not followed: they may lead in a circle, or anywhere."""


def collect(inputs: list[Path], output: Path, reserved: set[Path] | None = None) -> Selection:
    """List files, and the photos of folders with their sub-folders kept; results of an earlier run are left out.

    Every file is listed once, and gets a result of its own, and none of the `reserved` paths.
    """
    selection = Selection()
    taken = {_same_name(path) for path in reserved or ()}
    results, seen = output.resolve(), set[str]()
    for given in inputs:
        is_folder = given.is_dir()
        for source in _photos(given, results, selection) if is_folder else [given]:
            name = os.path.abspath(source)  # noqa: PTH100 - without following links: each name is a photo
            if name in seen:
                continue
            seen.add(name)
            target = wanted = output / (source.relative_to(given) if is_folder else source.name)
            number = 2
            while any(_same_name(path) in taken for path in possible_results(target)):
                target = wanted.with_stem(f"{wanted.stem}-{number}")
                number += 1
            taken |= {_same_name(path) for path in possible_results(target)}
            selection.work.append(Work(source, target))
    return selection


def _photos(folder: Path, results: Path, selection: Selection) -> Iterator[Path]:
    """Yield the photos below a folder, sorted, and note everything else."""
    for place, folders, files in os.walk(folder, onerror=selection.unreadable.append):
        here = Path(place)
        folders.sort()
        for name in list(folders):
            if (here / name).is_symlink():
                selection.links += 1
            elif (here / name).resolve() == results:
                folders.remove(name)
        for name in sorted(files):
            source = here / name
            if reason := _not_a_photo(source):
                selection.left_out.append(LeftOut(source, reason))
            else:
                yield source


def _not_a_photo(path: Path) -> str:
    """Return what a file of a folder is when it is not taken for a photo; nothing for a photo."""
    suffix = path.suffix.lower()
    if path.name.startswith(_APPLE_DOUBLE):
        return "a companion file of macOS"
    if suffix not in SUFFIXES:
        return next((kind for kind, suffixes in _OTHER_KINDS.items() if suffix in suffixes), "not a photo")
    try:
        return "" if path.is_file() else "a pipe, or a link that leads nowhere"
    except OSError:
        return ""  # it may be one that cannot be looked at: reading it will say why


def overwritten(selection: Selection, others: set[Path]) -> Path | None:
    """Return an original that the results, or one of the `others` that are written too, could replace."""
    originals = {_same_name(item.source.resolve()): item.source for item in selection.work}
    for item in selection.work:
        for path in possible_results(item.target):
            if (found := originals.get(_same_name(path.resolve()))) is not None:
                return found
    return next((originals[name] for path in others if (name := _same_name(path.resolve())) in originals), None)


def possible_results(target: Path) -> set[Path]:
    """Return the paths that the result for a target may have, depending on its format."""
    return {result_path(target, kind) for kind in _RESULT_SUFFIXES}


def result_path(target: Path, kind: Format) -> Path:
    """Keep a suffix that fits the result; else add the right one, so that a.heic and a.avif stay apart."""
    return target if target.suffix.lower() in _SAME[kind] else target.with_name(target.name + _RESULT_SUFFIXES[kind])


def _same_name(path: Path) -> str:
    """Return what is equal for two paths that memory cards, macOS and Windows may take for one."""
    return unicodedata.normalize("NFC", os.path.abspath(path)).casefold()  # noqa: PTH100 - without following links
