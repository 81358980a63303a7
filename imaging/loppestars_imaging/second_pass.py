"""Looks again at the covered faces, and covers more strongly where a face is still seen.

Around each area a crop is taken from the small picture the detector saw, at the sizes where coarse cells are mistaken
for a face; the treatment is applied to the crop, and all crops go through the detector together. Cells are averages, so
a small picture of them shows what the result will show.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from loppestars_imaging.anonymisers.pixels import cover
from loppestars_imaging.detectors.base import Detector
from loppestars_imaging.faces import Bgr, Boxes
from loppestars_imaging.treatment import Treatment

_CONTEXT = 4.0
"""Side of a crop over the longer side of the area: detectors also look at hair, neck and shoulders."""
_CROP_SIDES = (73, 104)
"""Sides of the crops in pixels: coarse cells are mistaken for a face where the face is 10 to 20 pixels wide."""
_LARGEST_RADIUS = 30.0
"""An area of more pixels than this is never cropped from a level: the next coarser one is used."""
_SHEET_COLUMNS = 8
_CAUTION = 0.7
"""The second pass already reacts to this share of the detector's threshold."""


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Crops of equal size in a grid."""

    picture: Bgr
    side: int
    columns: int
    count: int


def strengthen(
    picture: Bgr, treatments: list[Treatment], detector: Detector, scale: tuple[float, float]
) -> list[Treatment]:
    """Return treatments under which the detector sees none of the faces any more.

    `picture` is the upright photo at `scale` (horizontal, vertical) of its size. What the last step covers is mid-gray,
    in which nothing is left to recognise, whatever a detector makes of its surroundings.
    """
    final = list(treatments)
    pending = list(range(len(final)))
    levels = _halved(picture) if pending else []
    while pending:
        small = [treatment.scaled(*scale) for treatment in final]
        seen = _seen(levels, small, pending, detector)
        pending = [index for index in pending if index in seen and final[index].stronger() is not None]
        for index in pending:
            final[index] = final[index].stronger() or final[index]
    return final


def _halved(picture: Bgr) -> list[Bgr]:
    """Return the picture, half of it, a quarter …: crops are taken where little is left to shrink."""
    levels = [picture]
    while min(levels[-1].shape[:2]) >= 2 * min(_CROP_SIDES):
        rows, columns = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, dtype=np.uint8))
    return levels


def _seen(levels: list[Bgr], treatments: list[Treatment], pending: list[int], detector: Detector) -> set[int]:
    """Return the pending areas in which the detector sees a face, at any of the sizes."""
    covered: dict[int, Bgr] = {}
    seen = set()
    for side in _CROP_SIDES:
        sheet = _sheet(levels, covered, treatments, pending, side, detector.stride)
        boxes = detector.detect(sheet.picture, detector.threshold * _CAUTION)
        seen |= {pending[position] for position in _areas_hit(boxes, sheet)}
    return seen


def _sheet(  # noqa: PLR0913, PLR0917 - the pictures, what is covered in them, and how it is laid out
    levels: list[Bgr],
    covered: dict[int, Bgr],
    treatments: list[Treatment],
    pending: list[int],
    side: int,
    stride: int,
) -> _Sheet:
    columns = min(_SHEET_COLUMNS, len(pending))
    rows = -(-len(pending) // columns)
    picture = np.zeros((_round_up(rows * side, stride), _round_up(columns * side, stride), 3), np.uint8)
    for position, index in enumerate(pending):
        top, left = position // columns * side, position % columns * side
        zoom = side / (2 * max(treatments[index].radii) * _CONTEXT)
        level = min(len(levels) - 1, max(0, int(np.log2(1 / zoom))))
        if level not in covered:
            covered[level] = _covered_level(levels, level, treatments)
        crop = _crop(covered[level], levels[0].shape, treatments[index], zoom, side)
        picture[top : top + side, left : left + side] = crop
    return _Sheet(picture, side, columns, len(pending))


def _covered_level(levels: list[Bgr], level: int, treatments: list[Treatment]) -> Bgr:
    """Return a level with its areas covered; those too large to be looked at there are left to coarser levels."""
    picture = levels[level].copy()
    horizontal, vertical = picture.shape[1] / levels[0].shape[1], picture.shape[0] / levels[0].shape[0]
    scaled = [treatment.scaled(horizontal, vertical) for treatment in treatments]
    coarsest = level == len(levels) - 1
    cover(picture, [treatment for treatment in scaled if coarsest or max(treatment.radii) <= _LARGEST_RADIUS])
    return picture


def _crop(picture: Bgr, full: tuple[int, ...], treatment: Treatment, zoom: float, side: int) -> Bgr:
    """Return the surroundings of one area; `full` is the shape of the picture that its treatment speaks of."""
    cx, cy = treatment.center
    horizontal, vertical = picture.shape[1] / full[1], picture.shape[0] / full[0]
    move = np.array([[zoom / horizontal, 0, side / 2 - cx * zoom], [0, zoom / vertical, side / 2 - cy * zoom]])
    crop = cv2.warpAffine(picture, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, dtype=np.uint8)


def _areas_hit(boxes: Boxes, sheet: _Sheet) -> set[int]:
    """Return the crops with a box centred in their middle and of the area's order of size."""
    area = sheet.side / _CONTEXT
    hit = set()
    for left, top, right, bottom, _ in boxes:
        x, y, longer = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top)
        column, row = int(x // sheet.side), int(y // sheet.side)
        position = row * sheet.columns + column
        from_middle = max(abs(x - (column + 0.5) * sheet.side), abs(y - (row + 0.5) * sheet.side))
        if not 0 <= column < sheet.columns or not 0 <= position < sheet.count:
            continue
        if from_middle < area * 0.6 and longer > area * 0.2:
            hit.add(position)
    return hit


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
