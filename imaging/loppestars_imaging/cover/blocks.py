"""Covers faces in the DCT blocks of a JPEG.

A block that a cover touches is decoded, covered and transformed again with the photo's own quantisation; every other
block keeps its coefficients, so its pixels stay bit-exact. Decoders interpolate subsampled chroma, so a changed chroma
block also shows in the first pixel next to it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loppestars_imaging.cover.area import Area, Window, distances, offsets, opacity
from loppestars_imaging.cover.fill import Samples, columns_and_rows, sampled
from loppestars_imaging.cover.plan import Look
from loppestars_imaging.cover.surroundings import Grid, filled, grid_factor, window_around
from loppestars_jpeg.photo import CoefficientPhoto, Plane
from loppestars_jpeg.structs import DCTSIZE

_FAINTEST: Final = 0.04
"""A block in which no more of a cover shows than this is left as it is."""
_BLOCK: Final = DCTSIZE * DCTSIZE


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
    samples, coarse = filled(lambda wanted: _means(layer, wanted, factor), area, areas, grid, look)
    blocks = window.coarser(DCTSIZE)
    alpha, rows, columns = _touched(window, blocks, area)
    if not len(rows):
        return
    xs, at_x, ys, at_y = columns_and_rows(window, area, look)
    across, down = at_x.reshape(-1, DCTSIZE)[columns], at_y.reshape(-1, DCTSIZE)[rows]
    whole = sampled(samples, coarse, xs, ys)[down[:, :, None], across[:, None, :]]
    values = np.ascontiguousarray(whole.reshape(-1, _BLOCK, len(layer.planes)).transpose(2, 0, 1))
    rows, columns = rows + blocks.top, columns + blocks.left
    for index, (plane, quant) in enumerate(zip(layer.planes, layer.quants, strict=True)):
        mixed = values[index]
        edge = np.flatnonzero((alpha < 1).any(axis=1))
        before = plane.blocks[rows[edge], columns[edge]].astype(np.float32) * quant @ _BASIS
        mixed[edge] = before + alpha[edge] * (mixed[edge] - before)
        plane.blocks[rows, columns] = np.rint(mixed @ _BASIS.T / quant).clip(-32767, 32767).astype(np.int16)


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


def _touched(
    window: Window, blocks: Window, area: Area
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return how much of the cover shows in each sample of the blocks it touches, and their rows and columns."""
    dx, dy = offsets(window, area)
    nearest_x, nearest_y = dx.reshape(-1, DCTSIZE).min(axis=1), dy.reshape(-1, DCTSIZE).min(axis=1)
    most = opacity(distances(nearest_x[None, :], nearest_y[:, None], area.shape))
    rows, columns = np.nonzero(most > _FAINTEST)
    across, down = dx.reshape(blocks.columns, DCTSIZE)[columns], dy.reshape(blocks.rows, DCTSIZE)[rows]
    alpha = opacity(distances(across[:, None, :], down[:, :, None], area.shape))
    return alpha.reshape(-1, _BLOCK), rows, columns


def _dct_basis() -> npt.NDArray[np.float32]:
    """Return the matrix that turns 64 coefficients (a row) into 64 samples; its transpose turns them back."""
    k, n = np.mgrid[0:DCTSIZE, 0:DCTSIZE]
    # The orthonormal 8-point DCT-II of ITU-T T.81 A.3.3.
    basis = np.sqrt(2 / DCTSIZE) * np.cos((2 * n + 1) * k * np.pi / (2 * DCTSIZE))
    basis[0] /= np.sqrt(2)
    return np.kron(basis, basis).astype(np.float32)


_BASIS: Final = _dct_basis()


def _averaged(per_block: int) -> npt.NDArray[np.float32]:
    """Return the matrix that turns coefficients into `per_block` by `per_block` averages."""
    side = DCTSIZE // per_block
    samples = _BASIS.reshape(_BLOCK, per_block, side, per_block, side)
    return np.ascontiguousarray(samples.mean(axis=(2, 4)).reshape(_BLOCK, per_block * per_block))
