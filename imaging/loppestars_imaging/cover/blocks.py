"""Covers faces in the DCT blocks of a JPEG.

A covered block keeps only what its cell's average needs; every other block keeps its coefficients, so its pixels stay
bit-exact. Decoders interpolate subsampled chroma, so a changed chroma block also shows in the first pixel next to it.
Chroma is therefore treated in a smaller area than luma: the luma blocks around it take up that pixel, and no pixel
outside the treated luma blocks differs.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from loppestars_imaging.cover.cells import Mask, Window, cell_means, touched
from loppestars_imaging.cover.pixels import spread
from loppestars_imaging.cover.treatment import Treatment
from loppestars_imaging.options import Style
from loppestars_jpeg.photo import CoefficientPhoto, Coefficients, Plane
from loppestars_jpeg.structs import DCTSIZE

_BLOCK = np.dtype((np.void, DCTSIZE * DCTSIZE * 2))
_TINY_BLOCKS = 2
"""Faces narrower than so many chroma blocks are tiny."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """Planes of the upright photo that are sampled alike, their quantisation tables, and what a block covers."""

    planes: list[Plane]
    quants: list[npt.NDArray[np.float64]]
    block_width: int
    block_height: int

    @property
    def subsampled(self) -> bool:
        return self.block_width > DCTSIZE or self.block_height > DCTSIZE


def cover_blocks(photo: CoefficientPhoto, treatments: list[Treatment]) -> None:
    """Cover each area in the target planes. Averages are taken before anything is written."""
    layers = _layers(photo)
    patches = [patch for treatment in treatments for patch in _patches(layers, treatment)]
    for plane, window, mask, values in patches:
        blocks = _under(plane, window)
        # As one value a block, which is much faster than one a coefficient.
        blocks.view(_BLOCK)[mask] = np.zeros(1, _BLOCK)
        if values.ndim == mask.ndim:
            blocks[:, :, 0][mask] = values[mask]
        else:
            blocks[mask] = values[mask]


def _under(plane: Plane, window: Window) -> Coefficients:
    """Return the blocks of a window, writable."""
    return plane.blocks[window.top : window.top + window.rows, window.left : window.left + window.columns]


def _layers(photo: CoefficientPhoto) -> list[_Layer]:
    planes = photo.targets
    widest, tallest = max(p.h for p in planes), max(p.v for p in planes)
    layers: dict[tuple[int, int], _Layer] = {}
    for plane, part in zip(planes, photo.components, strict=True):
        table = (
            part.quant_table.contents if part.quant_table else photo.decoder.quant_tbl_ptrs[part.quant_tbl_no].contents
        )
        quant = np.array(table.quantval, dtype=np.float64).reshape(DCTSIZE, DCTSIZE)
        if photo.structure.turn.transpose:
            quant = quant.T
        size = DCTSIZE * widest // plane.h, DCTSIZE * tallest // plane.v
        layer = layers.setdefault(size, _Layer([], [], *size))
        layer.planes.append(plane)
        layer.quants.append(quant)
    return list(layers.values())


def _patches(layers: list[_Layer], treatment: Treatment) -> list[tuple[Plane, Window, Mask, Coefficients]]:
    windows = [_window(layer, layers, treatment) for layer in layers]
    if any(window is None for window in windows):
        return []
    placed = [(layer, window) for layer, window in zip(layers, windows, strict=True) if window is not None]
    masks: dict[int, Mask] = {}
    halo: Mask | None = None
    for index, (layer, window) in enumerate(placed):
        if layer.subsampled:
            mask = touched(window, treatment, shrink=_chroma_shrink(layer, treatment))
            masks[index] = mask
            spill = _spill(mask, layer.block_width // DCTSIZE, layer.block_height // DCTSIZE)
            halo = spill if halo is None else halo | spill
    for index, (layer, window) in enumerate(placed):
        if not layer.subsampled:
            mask = touched(window, treatment)
            masks[index] = mask | halo if halo is not None else mask
    return [
        (plane, window, masks[index], values)
        for index, (layer, window) in enumerate(placed)
        if masks[index].any()
        for plane, values in zip(layer.planes, _flat_blocks(layer, window, masks[index], treatment), strict=True)
    ]


def _chroma_shrink(layer: _Layer, treatment: Treatment) -> float:
    """Return by how many pixels the chroma area is smaller than the luma area.

    So far inside that interpolated chroma ends within the luma area, but never within the detected box: the colour of
    skin alone makes a detector see a face. Around tiny faces, blocks that the box only grazes are left, or a face of 16
    pixels would become a patch of 64.
    """
    margin = min(
        r - side / 2 for r, side in zip(treatment.radii, (treatment.face.width, treatment.face.height), strict=True)
    )
    tiny = min(treatment.face.width, treatment.face.height) < _TINY_BLOCKS * max(layer.block_width, layer.block_height)
    grazed = (min(layer.block_width, layer.block_height) - DCTSIZE) / 2 if tiny else 0.0
    return max(0.0, min(margin, layer.block_width + 1.0)) + max(0.0, grazed)


def _window(layer: _Layer, layers: list[_Layer], treatment: Treatment) -> Window | None:
    """Return the blocks of this plane under the area plus one MCU around it; all planes cover the same pixels."""
    mcu_width = max(other.block_width for other in layers)
    mcu_height = max(other.block_height for other in layers)
    across, down = (
        layer.planes[0].columns * layer.block_width // mcu_width,
        layer.planes[0].rows * layer.block_height // mcu_height,
    )
    (cx, cy), (rx, ry) = treatment.center, treatment.radii
    left, right = int((cx - rx) // mcu_width) - 1, int((cx + rx) // mcu_width) + 2
    top, bottom = int((cy - ry) // mcu_height) - 1, int((cy + ry) // mcu_height) + 2
    left, top, right, bottom = max(0, left), max(0, top), min(across, right), min(down, bottom)
    if left >= right or top >= bottom:
        return None
    per_x, per_y = mcu_width // layer.block_width, mcu_height // layer.block_height
    return Window(
        left * per_x,
        top * per_y,
        (right - left) * per_x,
        (bottom - top) * per_y,
        layer.block_width,
        layer.block_height,
    )


def _spill(mask: Mask, across: int, down: int) -> Mask:
    """Return the luma blocks under or beside the chroma blocks of `mask`, one block further along subsampled axes."""
    luma = np.repeat(np.repeat(mask, down, axis=0), across, axis=1).astype(np.uint8)
    kernel = np.ones((3 if down > 1 else 1, 3 if across > 1 else 1), np.uint8)
    return np.asarray(cv2.dilate(luma, kernel), dtype=np.bool_)


def _flat_blocks(layer: _Layer, window: Window, mask: Mask, treatment: Treatment) -> list[Coefficients]:
    """Return for each plane new coefficients of the window: (rows, columns, 64), or the first of each block alone."""
    if treatment.strength.style is Style.SOLID:
        # All zero is mid-gray in every colour space.
        return [np.zeros((window.rows, window.columns), np.int16)] * len(layer.planes)
    dc = np.stack([_under(plane, window)[:, :, 0] for plane in layer.planes], axis=2)
    means = cell_means(dc, mask, window, treatment, gray=0.0)
    if treatment.strength.style is Style.SMOOTH and treatment.cells > 1:
        return [
            _smooth_blocks(layer, quant, window, means[:, :, index : index + 1], treatment)
            for index, quant in enumerate(layer.quants)
        ]
    values = np.rint(spread(means, window, treatment)).astype(np.int16)
    return [values[:, :, index] for index in range(len(layer.planes))]


def _smooth_blocks(
    layer: _Layer,
    quant: npt.NDArray[np.float64],
    window: Window,
    means: npt.NDArray[np.float64],
    treatment: Treatment,
) -> Coefficients:
    """Transform and quantise the softened mosaic, sample by sample of one plane."""
    samples = Window(
        window.left * DCTSIZE,
        window.top * DCTSIZE,
        window.columns * DCTSIZE,
        window.rows * DCTSIZE,
        layer.block_width / DCTSIZE,
        layer.block_height / DCTSIZE,
    )
    # The quantised DC is eight times the block's average sample over its quantiser.
    values = spread(means * quant[0, 0] / DCTSIZE, samples, treatment)
    blocks = values.reshape(window.rows, DCTSIZE, window.columns, DCTSIZE).transpose(0, 2, 1, 3)
    basis = _dct_basis()
    spectrum = basis @ blocks @ basis.T / quant
    return np.rint(spectrum).reshape(window.rows, window.columns, DCTSIZE * DCTSIZE).astype(np.int16)


def _dct_basis() -> npt.NDArray[np.float64]:
    """Return the orthonormal 8-point DCT-II matrix of ITU-T T.81 A.3.3."""
    k, n = np.mgrid[0:DCTSIZE, 0:DCTSIZE]
    basis = np.sqrt(2 / DCTSIZE) * np.cos((2 * n + 1) * k * np.pi / (2 * DCTSIZE))
    basis[0] /= np.sqrt(2)
    return np.asarray(basis)
