"""A fill made of what surrounds a face: pull-push over an image pyramid, then smoothed.

Gortler, Grzeszczuk, Szeliski & Cohen, "The Lumigraph", SIGGRAPH 1996, section 3.6.1: samples that may be read are
averaged into coarser and coarser pictures until no hole is left (pull), then each hole is filled from the next coarser
picture (push). Nothing under a cover is ever read, so nothing of it can be in the fill.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from loppestars_imaging.cover.area import Area, Coordinates, Mask, Window
from loppestars_imaging.cover.plan import Look
from loppestars_imaging.options import Style

Samples = npt.NDArray[np.float32]
"""Shape (rows, columns, channels)."""
Indices = npt.NDArray[np.intp]

_SMOOTHEST: Final = 0.42
"""Standard deviation of the smoothing at full softness, in radii."""
_SHARPEST: Final = 0.06
_FULL: Final = 0.25
"""Share of readable samples in a coarser sample from which it counts fully."""
_TINY: Final = np.float32(1e-6)


def pull_push(samples: Samples, free: Mask) -> Samples:
    """Return the samples with those that are not free filled from those that are; zero where none is."""
    # The last channel is the weight of the others, which are multiplied by it.
    level = np.asarray(np.dstack([samples, np.ones(free.shape, np.float32)]) * free[:, :, None], dtype=np.float32)
    finer: list[Samples] = []
    while max(level.shape[:2]) > 1 and not (level[:, :, -1] > 0).all():
        finer.append(level)
        rows, columns = level.shape[:2]
        # Of even sides, two by two samples are averaged, which is far faster than other shares.
        padded = cv2.copyMakeBorder(level, 0, rows % 2, 0, columns % 2, cv2.BORDER_CONSTANT)
        even = np.asarray(padded, dtype=np.float32)
        level = _resized(even, ((rows + 1) // 2, (columns + 1) // 2), cv2.INTER_AREA)
        shares = level[:, :, -1:]
        level = np.asarray(level * ((shares / _FULL).clip(0, 1) / np.maximum(shares, _TINY)), dtype=np.float32)
    filled = np.asarray(level[:, :, :-1] / np.maximum(level[:, :, -1:], _TINY), dtype=np.float32)
    for level in reversed(finer):
        rows, columns = level.shape[:2]
        coarse = _resized(filled, (filled.shape[0] * 2, filled.shape[1] * 2), cv2.INTER_LINEAR)
        filled = np.asarray(level[:, :, :-1] + (1 - level[:, :, -1:]) * coarse[:rows, :columns], dtype=np.float32)
    return filled


def _resized(samples: Samples, size: tuple[int, ...], how: int) -> Samples:
    resized = cv2.resize(samples, (size[1], size[0]), interpolation=how)
    return np.asarray(resized, dtype=np.float32).reshape(*size, -1)


def fill(samples: Samples, free: Mask, radius: float, look: Look) -> Samples:
    """Return the fill of a window, in its samples; `radius` is the area's smaller one, in samples."""
    if look.style is Style.SOLID or not free.any():
        return np.zeros_like(samples)
    sigma = radius * (_SHARPEST + (_SMOOTHEST - _SHARPEST) * look.softness)
    return blurred(pull_push(samples, free), sigma)


def blurred(samples: Samples, sigma: float) -> Samples:
    soft = cv2.GaussianBlur(samples, (0, 0), max(0.3, sigma), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, dtype=np.float32).reshape(samples.shape)


def enlarged(samples: Samples, coarse: Window, fine: Window, area: Area, look: Look) -> Samples:
    """Return the fill of a coarse window in the samples of a finer one inside it, that holds whole ones."""
    if look.style is Style.MOSAIC:
        xs, columns, ys, rows = columns_and_rows(fine, area, look)
        across = interpolation(xs, coarse.left, coarse.step_x, coarse.columns)
        down = interpolation(ys, coarse.top, coarse.step_y, coarse.rows)
        cells: Samples = np.einsum("xc,ycd->yxd", across, np.einsum("yr,rcd->ycd", down, samples))
        return cells.repeat(np.bincount(columns), axis=1).repeat(np.bincount(rows), axis=0)
    factor = round(coarse.step_x / fine.step_x)
    left, top = fine.left // factor - coarse.left, fine.top // factor - coarse.top
    right, bottom = left + fine.columns // factor, top + fine.rows // factor
    # One sample more on each side: what is between two is interpolated.
    west, north = max(0, left - 1), max(0, top - 1)
    part = samples[north : bottom + 1, west : right + 1]
    whole = _resized(part, (part.shape[0] * factor, part.shape[1] * factor), cv2.INTER_LINEAR)
    x, y = (left - west) * factor, (top - north) * factor
    return whole[y : y + fine.rows, x : x + fine.columns]


def columns_and_rows(window: Window, area: Area, look: Look) -> tuple[Coordinates, Indices, Coordinates, Indices]:
    """Return where a window looks into a fill, in pixels, and which of these columns and rows each sample shows."""
    if look.style is Style.MOSAIC:
        cell = look.cell_over(area)
        return *_cells(window.xs, area.x, cell), *_cells(window.ys, area.y, cell)
    return window.xs, np.arange(window.columns), window.ys, np.arange(window.rows)


def interpolation(positions: Coordinates, first: int, step: float, count: int) -> npt.NDArray[np.float32]:
    """Return the matrix that gives the values at these positions, in pixels, from those of `count` samples.

    Between samples it interpolates, beyond the first and the last it repeats them.
    """
    nearest = (positions / np.float32(step) - np.float32(first + 0.5)).clip(0, count - 1)
    shares = np.maximum(1 - np.abs(nearest[:, None] - np.arange(count, dtype=np.float32)), 0)
    return np.asarray(shares, dtype=np.float32)


def _cells(positions: Coordinates, centre: float, side: float) -> tuple[Coordinates, Indices]:
    """Return the centres of the cells under these positions, and which cell each of them lies in."""
    cells = np.floor((positions - centre) / side + 0.5).astype(np.intp)
    first, last = cells[0], cells[-1]
    return np.asarray(centre + np.arange(first, last + 1) * side, dtype=np.float32), cells - first
