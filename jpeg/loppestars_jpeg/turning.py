"""Turns a photo upright in its blocks, without loss."""

import numpy as np

from loppestars_jpeg.orientation import UPRIGHT
from loppestars_jpeg.photo import CoefficientPhoto
from loppestars_jpeg.structs import DCTSIZE
from loppestars_jpeg.structure import JpegStructure


def can_turn(structure: JpegStructure) -> bool:
    """Tell whether the photo can be turned upright without loss: mirrored axes must hold whole blocks only."""
    turn = structure.turn
    block_width = DCTSIZE * max(s.horizontal for s in structure.sampling)
    block_height = DCTSIZE * max(s.vertical for s in structure.sampling)
    mirrors_width = turn.mirror_y if turn.transpose else turn.mirror_x
    mirrors_height = turn.mirror_x if turn.transpose else turn.mirror_y
    return not (mirrors_width and structure.width % block_width) and not (
        mirrors_height and structure.height % block_height
    )


def turn_upright(photo: CoefficientPhoto) -> None:
    """Fill the photo's target planes with its turned source planes."""
    turn = photo.structure.turn
    if turn == UPRIGHT:
        return
    signs = np.ones((DCTSIZE, DCTSIZE), np.int16)
    # Mirroring negates the basis functions that are odd along that axis.
    if turn.mirror_x:
        signs[:, 1::2] *= -1
    if turn.mirror_y:
        signs[1::2, :] *= -1
    for source, target in zip(photo.sources, photo.targets, strict=True):
        blocks = source.blocks.reshape(source.rows, source.columns, DCTSIZE, DCTSIZE)
        if turn.transpose:
            blocks = blocks.transpose(1, 0, 3, 2)
        blocks = blocks[:: -1 if turn.mirror_y else 1, :: -1 if turn.mirror_x else 1]
        np.multiply(blocks, signs, out=target.blocks.reshape(target.rows, target.columns, DCTSIZE, DCTSIZE))
