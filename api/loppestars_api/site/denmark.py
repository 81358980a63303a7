"""A small map of Denmark: where a point is on it, and the outline of the land. It needs no tile server. Pure.

Bornholm, 150 km to the east, stands in a frame in the upper right corner, in the scale of the rest.
"""

import math
from functools import cache
from importlib.resources import files
from typing import Final

WIDTH: Final = 540
HEIGHT: Final = 680
_NORTH: Final = 57.82
_WEST: Final = 8.0
_PER_DEGREE: Final = 200.0
# How much shorter a degree of longitude is in the middle of the country.
_SHORTER: Final = math.cos(math.radians(56.1))
_EAST_OF_THE_REST: Final = 14.0
# The north-western corner of Bornholm's frame, in degrees and on the map.
_BORNHOLM: Final = (14.6, 55.34)
BORNHOLM_FRAME: Final = (448, 40, 76, 84)


def project(latitude: float, longitude: float) -> tuple[float, float]:
    """Return where a point is, in units of the map: equirectangular, true in the middle of the country."""
    if longitude < _EAST_OF_THE_REST:
        return (longitude - _WEST) * _SHORTER * _PER_DEGREE + 4, (_NORTH - latitude) * _PER_DEGREE
    left, top, _, _ = BORNHOLM_FRAME
    west, north = _BORNHOLM
    return (longitude - west) * _SHORTER * _PER_DEGREE + left + 4, (north - latitude) * _PER_DEGREE + top + 4


def on_map(latitude: float | None, longitude: float | None) -> tuple[float, float] | None:
    """Return where a point is, rounded; None where it is not known or beyond the edges."""
    if latitude is None or longitude is None:
        return None
    x, y = project(latitude, longitude)
    return (round(x, 1), round(y, 1)) if 0 <= x <= WIDTH and 0 <= y <= HEIGHT else None


@cache
def outline() -> str:
    """Return the path of the land (Natural Earth 1:10m, public domain; drawn by `tools/outline.py`)."""
    return (files("loppestars_api.site") / "data" / "outline.txt").read_text(encoding="utf-8").strip()
