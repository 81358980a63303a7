"""Which area covers a face, and what it looks like. Pure arithmetic; nothing here sees a pixel."""

from dataclasses import dataclass
from typing import Final

from loppestars_imaging.cover.area import Area
from loppestars_imaging.faces import Face
from loppestars_imaging.options import Options, Style

MARGIN: Final = 1.26
"""Radii of the area over those of the detected box: from the hairline to below the chin, ears included."""
_MIN_RADIUS: Final = 4.0
_ONE_HEAD: Final = 0.6
"""Share of an area that lies in a larger one from which both are on one head."""
_EXTENT_MARGIN: Final = 1.08
"""Radii that hold a part that sticks out, over those of the box around it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What covers look like; the same for all faces of a photo."""

    style: Style = Style.SMOOTH
    softness: float = 0.3
    """0-1: how much the fill is smoothed."""
    cell: float = 0.0
    """Side of the mosaic's cells in pixels; 0 for a third of an area's smaller radius."""

    def cell_over(self, area: Area) -> float:
        """Return the side of the cells over an area."""
        return self.cell or min(area.rx, area.ry) / 3


def areas_over(faces: list[Face], options: Options) -> list[Area]:
    """Return the areas that cover the faces, the largest first; faces that are one head share one."""
    areas: list[Area] = []
    for area in sorted((_area(face, options) for face in faces), key=_size, reverse=True):
        same = next((index for index, larger in enumerate(areas) if _share_inside(area, larger) > _ONE_HEAD), None)
        if same is None:
            areas.append(area)
        else:
            areas[same] = _hull(areas[same], area)
    return areas


def look_of(options: Options) -> Look:
    """Return what the request's covers look like."""
    return Look(options.style, options.blur_strength / 99, float(options.cell_pixels))


def _area(face: Face, options: Options) -> Area:
    """Return the area over a face, larger where a part that another scale or tile has seen would stick out."""
    rx, ry = (max(_MIN_RADIUS, side / 2 * MARGIN) for side in (face.width, face.height))
    area = Area(face.x + face.width / 2, face.y + face.height / 2, rx, ry, options.shape)
    if face.extent is None:
        return area
    left, top, right, bottom = face.extent
    (x, y), (rx, ry) = ((left + right) / 2, (top + bottom) / 2), ((right - left) / 2, (bottom - top) / 2)
    rx, ry = rx * _EXTENT_MARGIN, ry * _EXTENT_MARGIN
    return _hull(area, Area(x, y, rx, ry, area.shape))


def _hull(area: Area, other: Area) -> Area:
    """Return the area that reaches as far as both on each side."""
    west, east = min(area.x - area.rx, other.x - other.rx), max(area.x + area.rx, other.x + other.rx)
    north, south = min(area.y - area.ry, other.y - other.ry), max(area.y + area.ry, other.y + other.ry)
    return Area((west + east) / 2, (north + south) / 2, (east - west) / 2, (south - north) / 2, area.shape)


def _size(area: Area) -> float:
    return area.rx * area.ry


def _share_inside(small: Area, large: Area) -> float:
    """Return how much of the box around one area lies in the box around another."""
    width = min(small.x + small.rx, large.x + large.rx) - max(small.x - small.rx, large.x - large.rx)
    height = min(small.y + small.ry, large.y + large.ry) - max(small.y - small.ry, large.y - large.ry)
    return max(0.0, width) * max(0.0, height) / (4 * _size(small))
