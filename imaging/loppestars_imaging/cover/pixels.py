"""Covers faces in decoded pixels; `cover/blocks.py` does the same in the blocks of a JPEG."""

import cv2
import numpy as np

from loppestars_imaging.cover.area import Area, Window, distances, offsets, opacity
from loppestars_imaging.cover.fill import Samples, enlarged
from loppestars_imaging.cover.plan import Look
from loppestars_imaging.cover.surroundings import Grid, filled, grid_factor, window_around
from loppestars_imaging.faces import Pixels


def cover(pixels: Pixels, areas: list[Area], look: Look, *, has_alpha: bool = False) -> None:
    """Cover each area in place. With `has_alpha` the last channel is no colour: what is covered becomes opaque."""
    for area in areas:
        grid = Grid(pixels.shape[1], pixels.shape[0], grid_factor(min(area.rx, area.ry)))
        window = window_around(area, grid, 1.0)
        if window is not None:
            _cover_window(pixels, window, area, _fill(pixels, window, area, areas, look), has_alpha=has_alpha)


def _fill(pixels: Pixels, window: Window, area: Area, areas: list[Area], look: Look) -> Samples:
    """Return the fill of a window, in pixels."""
    grid = Grid(pixels.shape[1], pixels.shape[0], grid_factor(min(area.rx, area.ry)))
    middle = (int(np.iinfo(pixels.dtype).max) + 1) / 2

    def means(coarse: Window) -> Samples:
        fine = coarse.finer(grid.factor)
        part = pixels[fine.top : fine.top + fine.rows, fine.left : fine.left + fine.columns]
        down, right = fine.rows - part.shape[0], fine.columns - part.shape[1]
        if down or right:
            part = cv2.copyMakeBorder(part, 0, down, 0, right, cv2.BORDER_REPLICATE)
        small = cv2.resize(part, (coarse.columns, coarse.rows), interpolation=cv2.INTER_AREA)
        return small.reshape(coarse.rows, coarse.columns, -1).astype(np.float32) - np.float32(middle)

    samples, coarse = filled(means, area, areas, grid, look)
    return enlarged(samples + np.float32(middle), coarse, window, area, look)


def _cover_window(pixels: Pixels, window: Window, area: Area, values: Samples, *, has_alpha: bool) -> None:
    part = pixels[window.top : window.top + window.rows, window.left : window.left + window.columns]
    values = values[: part.shape[0], : part.shape[1]]
    dx, dy = offsets(window, area)
    alpha = opacity(distances(dx[None, : part.shape[1]], dy[: part.shape[0], None], area.shape))
    if has_alpha:
        values[:, :, -1] = np.iinfo(pixels.dtype).max
    if pixels.dtype == np.uint8:
        shown = cv2.convertScaleAbs(values).reshape(part.shape)
        part[:] = cv2.blendLinear(part, shown, 1 - alpha, alpha).reshape(part.shape)
    else:
        part[:] = np.rint(part + alpha[:, :, None] * (values - part)).clip(0, np.iinfo(pixels.dtype).max)
