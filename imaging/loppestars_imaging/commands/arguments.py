"""The command lines, apart from the code they start: a worker's parent must not load image libraries for `--help`."""

import argparse
import os
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
    parser.add_argument("--style", type=Style, choices=list(Style), default=Style.MOSAIC, help="how faces are covered")
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
    parser.add_argument("--max-megapixels", type=int, default=50, help="larger photos are refused (default 50)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="photos worked on at the same time")
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
