"""The grid of cells over a treated area, on samples that may each stand for a block of pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loppestars_imaging.cover.treatment import Treatment
from loppestars_imaging.options import Shape

Mask = npt.NDArray[np.bool_]


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
    def xs(self) -> npt.NDArray[np.float64]:
        """Left edges of the samples, in pixels."""
        return np.asarray((self.left + np.arange(self.columns)) * self.step_x, dtype=np.float64)

    @property
    def ys(self) -> npt.NDArray[np.float64]:
        """Top edges of the samples, in pixels."""
        return np.asarray((self.top + np.arange(self.rows)) * self.step_y, dtype=np.float64)


def touched(window: Window, treatment: Treatment, shrink: float = 0.0) -> Mask:
    """Return which samples the area touches; `shrink` makes it smaller by so many pixels on each side."""
    (cx, cy), (rx, ry) = treatment.center, treatment.radii
    rx, ry = max(rx - shrink, 0.5), max(ry - shrink, 0.5)
    # Distance from the centre to the nearest point of each sample, per axis.
    dx = np.maximum(np.abs(window.xs + window.step_x / 2 - cx) - window.step_x / 2, 0.0) / rx
    dy = np.maximum(np.abs(window.ys + window.step_y / 2 - cy) - window.step_y / 2, 0.0) / ry
    if treatment.shape is Shape.BOX:
        return np.asarray((dy[:, None] < 1) & (dx[None, :] < 1))
    return np.asarray(dy[:, None] ** 2 + dx[None, :] ** 2 < 1)


def cell_indices(window: Window, treatment: Treatment) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the cell column of each sample column, and the cell row of each sample row."""
    (cx, cy), size, count = treatment.center, treatment.cell_size, treatment.cells
    origin_x, origin_y = cx - size * count / 2, cy - size * count / 2
    columns = ((window.xs + window.step_x / 2 - origin_x) / size).astype(np.intp)
    rows = ((window.ys + window.step_y / 2 - origin_y) / size).astype(np.intp)
    last = count - 1
    return np.minimum(np.maximum(columns, 0), last), np.minimum(np.maximum(rows, 0), last)


def cell_means(
    values: npt.NDArray[Any], mask: Mask, window: Window, treatment: Treatment, gray: float
) -> npt.NDArray[np.float64]:
    """Average `values` (rows, columns, channels) over the masked samples of each cell, faded towards `gray`.

    Returns (cells, cells, channels); a cell without samples gets the average of all.
    """
    columns, rows = cell_indices(window, treatment)
    cells = np.arange(treatment.cells)
    in_row = (rows == cells[:, None]).astype(np.float32)
    in_column = (columns[:, None] == cells).astype(np.float32)
    weights = mask.astype(np.float32)
    counts = in_row @ weights @ in_column
    # Two matrix products sum each cell: first the rows of a cell, for all columns and channels, then its columns.
    weighted = values * weights[:, :, None]
    by_row = (in_row @ weighted.reshape(len(rows), -1)).reshape(len(cells), len(columns), -1)
    sums = (in_column.T @ by_row).astype(np.float64)
    overall = sums.sum(axis=(0, 1)) / max(float(counts.sum()), 1.0)
    means = np.where(counts[:, :, None] > 0, sums / np.maximum(counts, 1)[:, :, None], overall)
    fade = treatment.strength.fade
    return np.asarray(means * (1 - fade) + gray * fade)
