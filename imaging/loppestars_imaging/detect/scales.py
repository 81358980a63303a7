"""Which scales a photo is searched at, and how a scale is cut into tiles.

A detector finds faces of some ten to some hundred pixels. The finest scale is the published photo's own, so that no
face is too small to be found that is large enough to be recognised; coarser scales find the larger ones, of which a
fine scale sees fragments. Tiles bound the memory of the network; they overlap by more than the largest face that only
one scale would find. There are few sizes of tiles, because runtimes prepare a network for each size.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a picture given to the network; sides are multiples of 32."""

    width: int
    height: int


BIG: Final = (Shape(1056, 800), Shape(800, 1056))
"""Two by two of them hold a photo of the default published side, four by four one of twelve megapixels, eight by eight
one of forty-eight. Larger ones take a fifth more time per pixel, as the first layers no longer fit the cache."""
LARGE: Final = (Shape(832, 640), Shape(640, 832))
MEDIUM: Final = (Shape(640, 480), Shape(480, 640))
"""Holds the coarsest scale of an ordinary photo."""
SMALL: Final = Shape(448, 448)
"""For thumbnails, and for few crops."""

_FINER: Final = 1.2
"""A scale that is finer by less than this is not worth its time."""


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """Parameters of the search, chosen on the tuning half of the evaluation (docs/imaging-measurements.md)."""

    fine_side: int = 1600
    """Long side, in pixels, that smaller photos are enlarged to."""
    max_enlargement: float = 3.0
    """Small photos are enlarged by at most this much."""
    coarse_side: int = 700
    """Longest side of the coarsest scale, for faces that fill the photo."""
    min_coarse_side: int = 448
    """Shortest one."""
    coarse_enlargement: float = 1.25
    """Small photos are enlarged by at most this much for it: enlarged noise hides a face from the detector alone."""
    max_step: float = 3.2
    """Each scale is coarser than the one before by at most this much."""
    crowd_side: int = 3200
    """Long side of the scale that is added to enlarged photos in which small faces were found: more may be smaller."""
    crowd_enlargement: float = 4.0
    """Small photos are enlarged by at most this much for it."""
    small_face: int = 28
    """Longer side of a small face, in pixels of the finest scale."""
    candidate: float = 0.03
    """Score from which a place is looked at closely."""
    sure: float = 0.85
    """Score from which a face needs no closer look."""
    doubt: float = 0.1
    """A closer look must score so much more than the threshold: many places are looked at."""
    shapes: tuple[Shape, ...] = (SMALL, *MEDIUM, *LARGE, *BIG)
    """Tiles are of these sizes."""
    overlap: int = 48
    """Tiles share at least this many pixels."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a scaled picture, in its pixels; may reach over its right and lower edge."""

    left: int
    top: int
    width: int
    height: int


def sides(width: int, height: int, plan: ScalePlan, min_side: int = 0) -> list[int]:
    """Return the long sides to search a photo at, finest first: its own or more, and ever coarser ones."""
    longer = max(width, height)
    fine = max(longer, min(max(plan.fine_side, min_side), round(longer * plan.max_enlargement)), 32)
    most = min(plan.coarse_side, longer * plan.coarse_enlargement)
    if fine <= most * 1.5:
        return [fine]
    steps = math.ceil(math.log(fine / most) / math.log(plan.max_step))
    coarse = min(most, max(plan.min_coarse_side, fine / plan.max_step**steps))
    return [round(fine * (coarse / fine) ** (step / steps)) for step in range(steps + 1)]


def crowd_side(width: int, height: int, plan: ScalePlan, searched: int) -> int | None:
    """Return the long side of the scale for crowds; None for photos that are searched at their own scale or nearly."""
    longer = max(width, height)
    side = min(plan.crowd_side, round(longer * plan.crowd_enlargement))
    return side if searched > longer and side > searched * _FINER else None


def tiles(width: int, height: int, plan: ScalePlan) -> Iterator[Tile]:
    """Cut a picture into overlapping tiles of that size which needs the fewest pixels in all."""
    shape = min(plan.shapes, key=lambda s: _pixels(width, height, s, plan.overlap))
    for top in _starts(height, shape.height, plan.overlap):
        for left in _starts(width, shape.width, plan.overlap):
            yield Tile(left, top, shape.width, shape.height)


def _pixels(width: int, height: int, shape: Shape, overlap: int) -> int:
    columns, rows = _count(width, shape.width, overlap), _count(height, shape.height, overlap)
    return columns * rows * shape.width * shape.height


def _count(length: int, side: int, overlap: int) -> int:
    return 1 if length <= side else -(-(length - overlap) // (side - overlap))


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """Return where tiles begin: evenly spread, the last one ends with the picture."""
    count = _count(length, side, overlap)
    return [0] if count == 1 else [round(index * (length - side) / (count - 1)) for index in range(count)]
