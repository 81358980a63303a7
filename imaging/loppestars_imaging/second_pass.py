"""Looks again at the covered faces, and covers more strongly where a face is still seen.

The treatment is applied to the small picture the detector saw; around each covered area a crop is taken at several
sizes, and all crops go through the detector together. Cells are averages, so the small picture shows what the result
will show.
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
_SHEET_COLUMNS = 8
_CAUTION = 0.7
"""The second pass already reacts to this share of the detector's threshold."""


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Crops of equal size in a grid."""

    picture: Bgr
    side: int
    count: int


def strengthen(
    picture: Bgr, treatments: list[Treatment], detector: Detector, scale: tuple[float, float]
) -> list[Treatment]:
    """Return treatments under which the detector sees none of the faces any more.

    `picture` is the upright photo at `scale` (horizontal, vertical) of its size. What the last step covers is one flat
    colour, in which nothing is left to recognise, whatever a detector makes of its surroundings.
    """
    final = list(treatments)
    pending = list(range(len(final)))
    while pending:
        covered = picture.copy()
        cover(covered, [treatment.scaled(*scale) for treatment in final])
        seen = _seen(covered, [final[index].scaled(*scale) for index in pending], detector)
        pending = [index for index, still in zip(pending, seen, strict=True) if still]
        following = {index: final[index].stronger() for index in pending}
        pending = [index for index in pending if following[index] is not None]
        for index in pending:
            final[index] = following[index] or final[index]
    return final


def _seen(picture: Bgr, treatments: list[Treatment], detector: Detector) -> list[bool]:
    """Tell for each covered area whether the detector sees a face in it, at any of the sizes."""
    seen = [False] * len(treatments)
    for side in _CROP_SIDES:
        sheet = _sheet(picture, treatments, side, detector.stride)
        boxes = detector.detect(sheet.picture, detector.threshold * _CAUTION)
        for index in _areas_hit(boxes, sheet):
            seen[index] = True
    return seen


def _sheet(picture: Bgr, treatments: list[Treatment], side: int, stride: int) -> _Sheet:
    columns = min(_SHEET_COLUMNS, len(treatments))
    rows = -(-len(treatments) // columns)
    size = (_round_up(rows * side, stride), _round_up(columns * side, stride), 3)
    sheet = np.zeros(size, np.uint8)
    for index, treatment in enumerate(treatments):
        top, left = index // columns * side, index % columns * side
        sheet[top : top + side, left : left + side] = _crop(picture, treatment, side)
    return _Sheet(sheet, side, len(treatments))


def _crop(picture: Bgr, treatment: Treatment, side: int) -> Bgr:
    (cx, cy), longer = treatment.center, max(treatment.radii) * 2
    scale = side / (longer * _CONTEXT)
    rows, columns = picture.shape[:2]
    reach = longer * _CONTEXT / 2
    left, right = max(0, int(cx - reach)), min(columns, int(np.ceil(cx + reach)) + 1)
    top, bottom = max(0, int(cy - reach)), min(rows, int(np.ceil(cy + reach)) + 1)
    if left >= right or top >= bottom:
        return np.zeros((side, side, 3), np.uint8)
    part = picture[top:bottom, left:right]
    if scale < 0.5:  # noqa: PLR2004 - average first: the warp below interpolates between neighbours only
        shrunk = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        part = np.asarray(cv2.resize(part, shrunk, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        cx, cy, left, top, scale = cx * scale, cy * scale, left * scale, top * scale, 1.0  # type: ignore[assignment]
    move = np.array([[scale, 0, side / 2 - (cx - left) * scale], [0, scale, side / 2 - (cy - top) * scale]])
    return np.asarray(cv2.warpAffine(part, move, (side, side), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def _areas_hit(boxes: Boxes, sheet: _Sheet) -> set[int]:
    """Return the crops with a box centred in their middle and of the area's order of size."""
    columns = min(_SHEET_COLUMNS, sheet.count)
    hit = set()
    for left, top, right, bottom, _ in boxes:
        x, y, longer = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top)
        column, row = int(x // sheet.side), int(y // sheet.side)
        index = row * columns + column
        from_middle = max(abs(x - (column + 0.5) * sheet.side), abs(y - (row + 0.5) * sheet.side))
        area = sheet.side / _CONTEXT
        if 0 <= column < columns and index < sheet.count and from_middle < area * 0.6 and longer > area * 0.2:
            hit.add(index)
    return hit


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
