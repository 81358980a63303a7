"""Covers faces in decoded pixels."""

import cv2
import numpy as np
import numpy.typing as npt

from loppestars_imaging.cover.cells import Mask, Window, cell_indices, cell_means, touched
from loppestars_imaging.cover.treatment import Treatment
from loppestars_imaging.faces import Pixels
from loppestars_imaging.options import Style

_ENOUGH_SAMPLES = 32
"""Large areas are averaged over a grid of about this many pixels along the shorter side."""


def cover(
    pixels: Pixels, treatments: list[Treatment], source: Pixels | None = None, *, has_alpha: bool = False
) -> None:
    """Cover each area in place. All cells are averaged first, so overlapping areas reveal nothing of each other.

    `source` is the picture to average where `pixels` is covered already. With `has_alpha` the last channel is no
    colour: what is covered becomes opaque, so that neither a face's outline nor what lies behind shows through.
    """
    taken = pixels if source is None else source
    prepared = [patch for treatment in treatments if (patch := _patch(taken, treatment)) is not None]
    for window, mask, values in prepared:
        if has_alpha:
            values[:, :, -1] = np.iinfo(values.dtype).max
        area = pixels[window.top : window.top + window.rows, window.left : window.left + window.columns]
        np.copyto(area, cv2.copyTo(values, mask.view(np.uint8), area.copy()).reshape(area.shape))


def _patch(pixels: Pixels, treatment: Treatment) -> tuple[Window, Mask, Pixels] | None:
    window = window_over(treatment, pixels.shape[1], pixels.shape[0])
    if window is None:
        return None
    area = pixels[window.top : window.top + window.rows, window.left : window.left + window.columns]
    mask = touched(window, treatment)
    gray = (int(np.iinfo(area.dtype).max) + 1) // 2
    if treatment.strength.style is Style.SOLID:
        return window, mask, np.full_like(area, gray)
    every = max(1, min(window.rows, window.columns) // _ENOUGH_SAMPLES)
    sparse = Window(
        window.left // every, window.top // every, len(mask[0, ::every]), len(mask[::every]), float(every), float(every)
    )
    means = cell_means(area[::every, ::every], mask[::every, ::every], sparse, treatment, gray)
    if treatment.strength.style is Style.SMOOTH and treatment.cells > 1:
        return window, mask, np.rint(spread(means, window, treatment)).astype(area.dtype)
    columns, rows = cell_indices(window, treatment)
    flat = np.rint(means).astype(area.dtype)
    across = np.repeat(flat, np.bincount(columns, minlength=treatment.cells), axis=1)
    return window, mask, np.repeat(across, np.bincount(rows, minlength=treatment.cells), axis=0)


def window_over(treatment: Treatment, width: int, height: int) -> Window | None:
    """Return the pixels that the area can touch, or None when it lies outside."""
    (cx, cy), (rx, ry) = treatment.center, treatment.radii
    left, right = max(0, int(np.floor(cx - rx))), min(width, int(np.ceil(cx + rx)))
    top, bottom = max(0, int(np.floor(cy - ry))), min(height, int(np.ceil(cy + ry)))
    if left >= right or top >= bottom:
        return None
    return Window(left, top, right - left, bottom - top)


def spread(means: npt.NDArray[np.float64], window: Window, treatment: Treatment) -> npt.NDArray[np.float64]:
    """Return the value of each sample of the window: its cell's, or between the cells' for the smooth style.

    `means` is (cells, cells, channels), the result (rows, columns, channels).
    """
    if treatment.strength.style is not Style.SMOOTH or treatment.cells == 1:
        columns, rows = cell_indices(window, treatment)
        return means[rows[:, None], columns[None, :]]
    (cx, cy), size, count = treatment.center, treatment.cell_size, treatment.cells
    # Position of each sample's centre in units of cells, measured from the centre of the first cell.
    x = (window.xs + window.step_x / 2 - cx) / size + count / 2 - 0.5
    y = (window.ys + window.step_y / 2 - cy) / size + count / 2 - 0.5
    grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    soft = cv2.remap(means.astype(np.float32), grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(soft, dtype=np.float64).reshape(window.rows, window.columns, -1)
