"""The command lines, apart from the code they start: a worker's parent must not load image libraries for `--help`."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from loppestars_imaging.options import Orientations, Shape, Style


def add_blur(parser: argparse.ArgumentParser) -> None:
    """Declare what `blur` takes."""
    parser.add_argument("inputs", metavar="IN", nargs="+", type=Path, help="photos, and folders of photos")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        required=True,
        help="where results go; results of an earlier run are replaced",
    )
    parser.add_argument("--style", type=Style, choices=list(Style), default=Style.SMOOTH, help="how faces are covered")
    parser.add_argument("--shape", type=Shape, choices=list(Shape), default=Shape.ELLIPSE, help="outline of the area")
    parser.add_argument(
        "--min-confidence",
        type=_share,
        default=0.5,
        help="score from which a face counts, up to 0.6 (default 0.5); a lower one finds more faces, and more else",
    )
    parser.add_argument(
        "--orientations",
        type=Orientations,
        choices=list(Orientations),
        default=Orientations.AUTO,
        help="also search photos that lie on their side: auto where no face is clear upright (default), always, never",
    )
    parser.add_argument("--jpeg", action="store_true", help="write JPEG only; else PNG and WebP stay")
    parser.add_argument(
        "--max-megapixels", metavar="N", type=whole(1, 1000), default=50, help="larger photos are refused (default 50)"
    )
    parser.add_argument(
        "--max-megabytes", metavar="N", type=whole(1, 500), default=50, help="larger files are refused (default 50)"
    )
    parser.add_argument(
        "--processes",
        metavar="N",
        type=whole(1, 64),
        default=min(available_cores(), 64),
        help="photos worked on at the same time, one process each (default: the cores that may be used)",
    )
    parser.add_argument(
        "--memory",
        metavar="MIB",
        type=whole(384, 1 << 20),
        help="most memory of one process (default 2256, and 40 more for each megapixel above 50)",
    )
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=whole(1, 300), default=120, help="longest work on a photo (default 120)"
    )
    parser.add_argument("--report", metavar="FILE", type=Path, help="write what was found, as JSON")
    parser.add_argument(
        "--preview", action="store_true", help="draw before and after into DIR/preview.jpg, which shows the faces"
    )


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 0.6:  # noqa: PLR2004 - as MIN_CONFIDENCE: weaker is not offered
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to 0.6")
    return value


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within these limits."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return parse


def available_cores() -> int:
    """Return the cores that this process may use, which may be fewer than there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
