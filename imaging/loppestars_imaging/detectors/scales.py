"""Which scales a photo is searched at, and how a scale is cut into tiles.

A detector finds faces of some ten to some hundred pixels. A fine scale finds the small ones, coarse scales the large
ones, of which a fine scale sees fragments. Tiles bound the memory of the network and keep its working set in the cache;
they overlap by more than the largest face that only the fine scale would find.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """Parameters of the search, chosen on the tuning half of the evaluation (docs/imaging.md)."""

    fine_side: int = 1600
    """Long side, in pixels, of the finest scale."""
    max_enlargement: float = 3.0
    """Small photos are enlarged by at most this much."""
    coarse_side: int = 576
    """Long side of the scale for large faces."""
    tile_side: int = 832
    """Tiles are at most this wide and high."""
    overlap: int = 96
    """Tiles share this many pixels."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a scaled picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int


def sides(width: int, height: int, plan: ScalePlan, least_side: int = 0) -> list[int]:
    """Return the long sides to search a photo at, finest first."""
    longer = max(width, height)
    fine = min(max(plan.fine_side, least_side), round(longer * plan.max_enlargement))
    fine = max(fine, 32)
    return [fine, plan.coarse_side] if fine > plan.coarse_side * 1.5 else [fine]


def tiles(width: int, height: int, plan: ScalePlan, stride: int) -> Iterator[Tile]:
    """Cut a picture into equal overlapping tiles; their sides are multiples of `stride` and may reach over its edge."""
    columns, tile_width = _cut(width, plan, stride)
    rows, tile_height = _cut(height, plan, stride)
    for top in rows:
        for left in columns:
            yield Tile(left, top, tile_width, tile_height)


def _cut(length: int, plan: ScalePlan, stride: int) -> tuple[list[int], int]:
    if length <= plan.tile_side:
        return [0], _round_up(length, stride)
    count = -(-(length - plan.overlap) // (plan.tile_side - plan.overlap))
    side = _round_up(-(-(length + (count - 1) * plan.overlap) // count), stride)
    step = (length - side) / (count - 1)
    return [round(index * step) for index in range(count)], side


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
