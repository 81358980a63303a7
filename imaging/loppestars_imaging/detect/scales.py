"""Which scales a photo is searched at, and how a scale is cut into tiles.

A detector finds faces of some ten to some hundred pixels. A fine scale finds the small ones, coarse scales the large
ones, of which a fine scale sees fragments. Tiles bound the memory of the network and keep its working set in the cache;
they overlap by more than the largest face that only the fine scale would find. There are few sizes of tiles, because
runtimes prepare a network for each size.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a picture given to the network; sides are multiples of 32."""

    width: int
    height: int


LARGE = (Shape(832, 640), Shape(640, 832))
"""Two by two of them hold the fine scale of an ordinary photo, lying or standing."""
MEDIUM = (Shape(640, 480), Shape(480, 640))
"""Holds the coarse scale of an ordinary photo, or a sheet of many crops."""
SMALL = Shape(448, 448)
"""For thumbnails, and for a sheet of few crops."""


_FINER = 1.2
"""A scale that is finer by less than this is not worth its time."""


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """Parameters of the search, chosen on the tuning half of the evaluation (docs/imaging.md)."""

    fine_side: int = 1600
    """Long side, in pixels, of the finest scale."""
    max_enlargement: float = 3.0
    """Small photos are enlarged by at most this much."""
    coarse_side: int = 640
    """Long side of the scale for large faces."""
    coarse_enlargement: float = 1.25
    """Small photos are enlarged by at most this much for it: enlarged noise hides a face from the detector alone."""
    crowd_side: int = 3200
    """Long side of the scale that is added where the finest one has found small faces: there may be smaller ones."""
    crowd_enlargement: float = 4.0
    """Small photos are enlarged by at most this much for it."""
    crowd_doubt: float = 0.05
    """A face must score so much more there: at so many more places more is mistaken for one."""
    small_face: int = 28
    """Longer side of a small face, in pixels of the finest scale."""
    shapes: tuple[Shape, ...] = (SMALL, *MEDIUM, *LARGE)
    """Tiles are of these sizes."""
    overlap: int = 64
    """Tiles share at least this many pixels."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a scaled picture, in its pixels; may reach over its right and lower edge."""

    left: int
    top: int
    width: int
    height: int


def sides(width: int, height: int, plan: ScalePlan, least_side: int = 0) -> list[int]:
    """Return the long sides to search a photo at, finest first."""
    longer = max(width, height)
    fine = min(max(plan.fine_side, least_side), round(longer * plan.max_enlargement))
    fine, coarse = max(fine, 32), min(plan.coarse_side, round(longer * plan.coarse_enlargement))
    return [fine, coarse] if fine > coarse * 1.5 else [fine]


def crowd_side(width: int, height: int, plan: ScalePlan, searched: int) -> int | None:
    """Return the long side of the scale for crowds; None where it is hardly finer than the one `searched` already."""
    side = min(plan.crowd_side, round(max(width, height) * plan.crowd_enlargement))
    return side if side > searched * _FINER else None


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
