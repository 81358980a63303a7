"""Covers faces in the DCT blocks of a JPEG.

A block that a cover touches is decoded, covered and transformed again with the photo's own quantisation; every other
block keeps its coefficients, so its pixels stay bit-exact. Decoders interpolate subsampled chroma, so a changed chroma
block also shows in the first pixel next to it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loppestars_imaging.cover.area import EDGE, Area, Window, distances, offsets, opacity
from loppestars_imaging.cover.fill import Samples, columns_and_rows, interpolation
from loppestars_imaging.cover.plan import Look
from loppestars_imaging.cover.surroundings import Grid, filled, grid_factor, window_around
from loppestars_imaging.options import Style
from loppestars_jpeg.photo import CoefficientPhoto, Plane
from loppestars_jpeg.structs import DCTSIZE

_LAST: Final = EDGE - 0.12 * (EDGE - 1)
"""A block that begins further out, where less than 4 % of a cover shows, is left as it is."""
_SMOOTH_WAVES: Final = 4
"""Frequencies of a smooth fill on a coarse grid, along each side of a block; of the others it has nothing."""
_BLOCK: Final = DCTSIZE * DCTSIZE
_Places = tuple[npt.NDArray[np.intp], ...]


@dataclass(frozen=True, slots=True)
class _Layer:
    """Planes that are sampled alike, their quantisation tables, and how many pixels a sample stands for."""

    planes: list[Plane]
    quants: list[npt.NDArray[np.float32]]
    step_x: float
    step_y: float

    @property
    def rows(self) -> int:
        return self.planes[0].rows

    @property
    def columns(self) -> int:
        return self.planes[0].columns


def cover_blocks(photo: CoefficientPhoto, areas: list[Area], look: Look) -> None:
    """Cover each area in the planes that are written."""
    layers = _layers(photo)
    for area in areas:
        for layer in layers:
            _cover_layer(layer, area, areas, look)


def _layers(photo: CoefficientPhoto) -> list[_Layer]:
    planes = photo.targets
    widest, tallest = max(p.h for p in planes), max(p.v for p in planes)
    layers: dict[tuple[int, int], _Layer] = {}
    for plane, part in zip(planes, photo.components, strict=True):
        table = (
            part.quant_table.contents if part.quant_table else photo.decoder.quant_tbl_ptrs[part.quant_tbl_no].contents
        )
        quant = np.array(table.quantval, dtype=np.float32).reshape(DCTSIZE, DCTSIZE)
        if photo.structure.turn.transpose:
            quant = quant.T
        layer = layers.setdefault((plane.h, plane.v), _Layer([], [], widest / plane.h, tallest / plane.v))
        layer.planes.append(plane)
        layer.quants.append(quant.ravel())
    return list(layers.values())


def _cover_layer(layer: _Layer, area: Area, areas: list[Area], look: Look) -> None:
    radius = min(area.rx / layer.step_x, area.ry / layer.step_y)
    # The average of a block is its first coefficient: large areas need no other, and none is coarser than that.
    factor = grid_factor(radius, DCTSIZE)
    grid = Grid(layer.columns * DCTSIZE, layer.rows * DCTSIZE, factor, layer.step_x, layer.step_y)
    window = window_around(area, Grid(grid.columns, grid.rows, DCTSIZE, layer.step_x, layer.step_y), 1.0)
    if window is None:
        return
    fill = filled(lambda wanted: _means(layer, wanted, factor), area, areas, grid, look)
    blocks = window.coarser(DCTSIZE)
    whole, edge, alpha = _touched(window, area)
    kept = DCTSIZE if factor == 1 or look.style is Style.MOSAIC else _SMOOTH_WAVES
    shown = _coefficients(window, area, look, fill, kept)
    for plane, quant, new in zip(layer.planes, layer.quants, shown, strict=True):
        target = plane.blocks[blocks.top : blocks.top + blocks.rows, blocks.left : blocks.left + blocks.columns]
        before = target[edge].astype(np.float32) * quant @ _BASIS
        low = _LOW[kept]
        steps = quant[low]
        target[whole] = 0
        rounded = np.rint(new[whole] / steps).clip(-32767, 32767).astype(np.int16)
        target[(*(index[:, None] for index in whole), low[None])] = rounded
        mixed = before + alpha * (new[edge] @ _BASIS[low] - before)
        target[edge] = np.rint(mixed @ _BASIS.T / quant).clip(-32767, 32767).astype(np.int16)


def _coefficients(
    window: Window, area: Area, look: Look, fill: tuple[Samples, Window], kept: int
) -> npt.NDArray[np.float32]:
    """Return the lowest `kept` by `kept` coefficients of a fill, of each channel in each block of a window.

    Interpolation and transform are both separable: two products of matrices make the coefficients of all blocks.
    """
    samples, coarse = fill
    xs, at_x, ys, at_y = columns_and_rows(window, area, look)
    columns, rows = window.columns // DCTSIZE, window.rows // DCTSIZE
    waves = _WAVES[:kept]
    across = waves @ interpolation(xs, coarse.left, coarse.step_x, coarse.columns)[at_x].reshape(columns, DCTSIZE, -1)
    down = waves @ interpolation(ys, coarse.top, coarse.step_y, coarse.rows)[at_y].reshape(rows, DCTSIZE, -1)
    across, down = across.reshape(-1, coarse.columns), down.reshape(-1, coarse.rows)
    found = [
        (down @ np.ascontiguousarray(samples[:, :, channel]) @ across.T)
        .reshape(rows, kept, columns, kept)
        .transpose(0, 2, 1, 3)
        .reshape(rows, columns, kept * kept)
        for channel in range(samples.shape[2])
    ]
    return np.stack(found)


def _means(layer: _Layer, coarse: Window, factor: int) -> Samples:
    """Return the planes' samples of a coarse window, each the average of `factor` by `factor` of the planes' own."""
    per_block = DCTSIZE // factor
    left, top = coarse.left // per_block, coarse.top // per_block
    right, bottom = -(-(coarse.left + coarse.columns) // per_block), -(-(coarse.top + coarse.rows) // per_block)
    skip_x, skip_y = coarse.left - left * per_block, coarse.top - top * per_block
    basis = _averaged(per_block)
    result = np.empty((coarse.rows, coarse.columns, len(layer.planes)), np.float32)
    for index, (plane, quant) in enumerate(zip(layer.planes, layer.quants, strict=True)):
        blocks = plane.blocks[top:bottom, left:right]
        if per_block == 1:
            flat = blocks[:, :, 0].astype(np.float32) * (quant[0] / DCTSIZE)
        else:
            small = blocks.reshape(-1, _BLOCK).astype(np.float32) @ (quant[:, None] * basis)
            small = small.reshape(bottom - top, right - left, per_block, per_block).swapaxes(1, 2)
            flat = small.reshape((bottom - top) * per_block, (right - left) * per_block)
        result[:, :, index] = flat[skip_y : skip_y + coarse.rows, skip_x : skip_x + coarse.columns]
    return result


def _touched(window: Window, area: Area) -> tuple[_Places, _Places, npt.NDArray[np.float32]]:
    """Return the rows and columns of blocks that a cover hides, of those it shows in partly, and its share there."""
    dx, dy = (offset.reshape(-1, DCTSIZE) for offset in offsets(window, area))
    nearest = distances(dx.min(axis=1)[None, :], dy.min(axis=1)[:, None], area.shape)
    furthest = distances(dx.max(axis=1)[None, :], dy.max(axis=1)[:, None], area.shape)
    rows, columns = edge = np.nonzero((furthest > 1) & (nearest < _LAST))
    alpha = opacity(distances(dx[columns][:, None, :], dy[rows][:, :, None], area.shape))
    return np.nonzero(furthest <= 1), edge, alpha.reshape(-1, _BLOCK)


def _dct_waves() -> npt.NDArray[np.float32]:
    """Return the orthonormal 8-point DCT-II of ITU-T T.81 A.3.3: a row per frequency."""
    k, n = np.mgrid[0:DCTSIZE, 0:DCTSIZE]
    waves = np.sqrt(2 / DCTSIZE) * np.cos((2 * n + 1) * k * np.pi / (2 * DCTSIZE))
    waves[0] /= np.sqrt(2)
    return np.asarray(waves, dtype=np.float32)


_WAVES: Final = _dct_waves()
_BASIS: Final = np.kron(_WAVES, _WAVES)
"""Turns 64 coefficients (a row) into 64 samples; its transpose turns them back."""
_LOW: Final = {
    kept: (np.arange(kept)[:, None] * DCTSIZE + np.arange(kept)).ravel() for kept in (_SMOOTH_WAVES, DCTSIZE)
}
"""Places of the lowest frequencies among the 64."""


def _averaged(per_block: int) -> npt.NDArray[np.float32]:
    """Return the matrix that turns coefficients into `per_block` by `per_block` averages."""
    side = DCTSIZE // per_block
    samples = _BASIS.reshape(_BLOCK, per_block, side, per_block, side)
    return np.ascontiguousarray(samples.mean(axis=(2, 4)).reshape(_BLOCK, per_block * per_block))
