"""What surrounds an area, in samples coarse enough that a large face costs no more than a small one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loppestars_imaging.cover.area import EDGE, Area, Window, readable
from loppestars_imaging.cover.fill import Samples, fill
from loppestars_imaging.cover.plan import Look

_GRID_RADIUS: Final = 10
"""The smaller radius of an area holds at least so many samples, where it has so many pixels."""
_REACH: Final = 1.45
"""Radii of the surroundings over those at which the area ends."""
_MIN_FREE: Final = 0.05
"""Share of the surroundings that may be read below which wider ones are taken."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Samples of a picture or plane, and by how much coarser than them a fill is made."""

    columns: int
    rows: int
    factor: int
    step_x: float = 1.0
    step_y: float = 1.0


def grid_factor(radius: float, most: int = 1 << 10) -> int:
    """Return by how much coarser than its samples the fill of an area of this radius is made: a power of two."""
    factor = 1
    while factor < most and radius / (2 * factor) >= _GRID_RADIUS:
        factor *= 2
    return factor


def window_around(area: Area, grid: Grid, reach: float) -> Window | None:
    """Return the samples within `reach` times the area's outer radii, in whole coarse samples; None outside of all."""
    across, down = grid.step_x * grid.factor, grid.step_y * grid.factor
    rx, ry = area.rx * EDGE * reach, area.ry * EDGE * reach
    columns, rows = -(-grid.columns // grid.factor), -(-grid.rows // grid.factor)
    left, right = max(0, int((area.x - rx) // across)), min(columns, int((area.x + rx) // across) + 1)
    top, bottom = max(0, int((area.y - ry) // down)), min(rows, int((area.y + ry) // down) + 1)
    if left >= right or top >= bottom:
        return None
    coarse = Window(left, top, right - left, bottom - top, across, down)
    return coarse.finer(grid.factor)


def filled(
    means: Callable[[Window], Samples], area: Area, areas: list[Area], grid: Grid, look: Look
) -> tuple[Samples, Window]:
    """Return the fill of an area in coarse samples, and their window; `means` gives the samples of such a window.

    Where hardly anything around the area may be read, because other areas lie there, wider surroundings are taken.
    """
    reach, window = _REACH, None
    while True:
        wider = window_around(area, grid, reach)
        if wider is None:
            raise ValueError("the area lies outside of the picture")
        coarse = wider.coarser(grid.factor)
        free = readable(coarse, areas)
        if free.mean() >= _MIN_FREE or coarse == window:
            break
        reach, window = reach * 2, coarse
    radius = min(area.rx / coarse.step_x, area.ry / coarse.step_y)
    return fill(means(coarse), free, radius, look), coarse
