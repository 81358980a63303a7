"""The areas of a photo that are covered: where they lie, and how far from its centre a sample of the picture is.

Distances are in radii: below 1 nothing of the photo is left, from 1 to `EDGE` the cover fades into the photo, and what
lies further out may be read by the fill.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loppestars_imaging.options import Shape

EDGE: Final = 1.15
"""Distance at which a cover ends."""
Alpha = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Coordinates = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Area:
    """An ellipse or a box in pixels of the upright photo; may reach over its edges."""

    x: float
    y: float
    rx: float
    ry: float
    shape: Shape = Shape.ELLIPSE

    @property
    def outer(self) -> tuple[float, float]:
        """Radii at which the soft edge ends."""
        return self.rx * EDGE, self.ry * EDGE

    def scaled(self, horizontal: float, vertical: float) -> "Area":
        """Return the area in a picture that is larger by these factors."""
        return Area(self.x * horizontal, self.y * vertical, self.rx * horizontal, self.ry * vertical, self.shape)


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of samples, each `step_x` by `step_y` pixels of the photo."""

    left: int
    top: int
    columns: int
    rows: int
    step_x: float = 1.0
    step_y: float = 1.0

    @property
    def xs(self) -> Coordinates:
        """Centres of the samples, in pixels."""
        return ((self.left + np.arange(self.columns, dtype=np.float32)) + np.float32(0.5)) * np.float32(self.step_x)

    @property
    def ys(self) -> Coordinates:
        """Centres of the samples, in pixels."""
        return ((self.top + np.arange(self.rows, dtype=np.float32)) + np.float32(0.5)) * np.float32(self.step_y)

    def coarser(self, factor: int) -> "Window":
        """Return the window in samples that are larger by a factor that divides its sides."""
        return Window(
            self.left // factor,
            self.top // factor,
            self.columns // factor,
            self.rows // factor,
            self.step_x * factor,
            self.step_y * factor,
        )

    def finer(self, factor: int) -> "Window":
        """Return the window in samples that are smaller by a factor."""
        return Window(
            self.left * factor,
            self.top * factor,
            self.columns * factor,
            self.rows * factor,
            self.step_x / factor,
            self.step_y / factor,
        )


def offsets(window: Window, area: Area) -> tuple[Coordinates, Coordinates]:
    """Return how far the nearest point of each column and of each row of samples is from the centre, in radii."""
    dx = np.maximum(np.abs(window.xs - np.float32(area.x)) - np.float32(window.step_x / 2), 0) / np.float32(area.rx)
    dy = np.maximum(np.abs(window.ys - np.float32(area.y)) - np.float32(window.step_y / 2), 0) / np.float32(area.ry)
    return dx, dy


def distances(dx: Coordinates, dy: Coordinates, shape: Shape) -> Coordinates:
    """Return the distances of samples from the offsets of their columns and rows."""
    if shape is Shape.BOX:
        return np.maximum(dx, dy)
    return np.sqrt(dx * dx + dy * dy)


def opacity(distance: npt.NDArray[Any]) -> Alpha:
    """Return how much of the cover shows at a distance: all of it to 1, less and less to `EDGE`."""
    rest = ((EDGE - distance) / (EDGE - 1)).clip(0, 1)
    return np.asarray(rest * rest * (3 - 2 * rest), dtype=np.float32)


def readable(window: Window, areas: list[Area]) -> Mask:
    """Return the samples that lie outside of every area, its soft edge included."""
    free = np.ones((window.rows, window.columns), np.bool_)
    left, top = window.left * window.step_x, window.top * window.step_y
    right, bottom = left + window.columns * window.step_x, top + window.rows * window.step_y
    for area in areas:
        rx, ry = area.outer
        if area.x - rx > right or area.x + rx < left or area.y - ry > bottom or area.y + ry < top:
            continue
        dx, dy = offsets(window, area)
        free &= distances(dx[None, :], dy[:, None], area.shape) >= EDGE
    return free
