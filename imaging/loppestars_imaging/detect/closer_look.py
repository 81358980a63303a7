"""Looks closely at places where a search saw something that may be a face.

Each place is shown at three sizes with its surroundings, many on one sheet, the cheapest size first. A face of twenty
pixels scores far more enlarged, and where the detector's grid lies well over it, and what only looked like one scores
little at one of the sizes: the mean of the scores tells faces from other things better than the score in the photo
(docs/decisions/0027-search-at-the-published-scale.md).
"""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from loppestars_imaging.detect.base import Detector
from loppestars_imaging.detect.levels import Levels
from loppestars_imaging.detect.scales import LARGE, MEDIUM, SMALL, Shape
from loppestars_imaging.faces import Bgr, Boxes, Face, face_at

_SIZES: Final = (24, 56, 80)
"""Longer sides of the faces in their crops, in pixels."""
_CROP: Final = 2.2
"""Side of a crop over that of its face: hair, neck and shoulders are in it."""
_HOPELESS: Final = 0.25
"""A place that scores less at the first size is not looked at again, nor one whose mean cannot be enough any more."""
_SHEETS: Final = (SMALL, MEDIUM[0], LARGE[0])
_SAME: Final = 0.3
"""Intersection over union from which a box in a crop is the face that was looked for."""


@dataclass(frozen=True, slots=True)
class Places:
    """Faces in pixels of the largest level of a photo."""

    levels: Levels
    faces: list[Face]


def look_closer(detector: Detector, places: Places, threshold: float) -> list[Face]:
    """Return the faces that a closer look confirms: their mean score is at least the threshold."""
    hopeful = [(face, replace(face, score=0.0)) for face in places.faces]
    for left, size in zip(reversed(range(len(_SIZES))), _SIZES, strict=True):
        enough = max(_HOPELESS, len(_SIZES) * threshold - left)
        seen = _looked_at(detector, Places(places.levels, [face for face, _ in hopeful]), size)
        sums = [
            (face, sum_ if closest is None else replace(closest, score=sum_.score + closest.score))
            for (face, sum_), closest in zip(hopeful, seen, strict=True)
        ]
        hopeful = [(face, sum_) for face, sum_ in sums if sum_.score >= enough]
    return [replace(sum_, score=sum_.score / len(_SIZES), extent=face.extent) for face, sum_ in hopeful]


def _looked_at(detector: Detector, places: Places, size: int) -> list[Face | None]:
    """Return what the detector sees at each of the places, shown with its longer side of `size` pixels."""
    seen: list[Face | None] = []
    side = round(size * _CROP)
    while len(seen) < len(places.faces):
        waiting = places.faces[len(seen) :]
        shape = next((sheet for sheet in _SHEETS if _room(sheet, side) >= len(waiting)), _SHEETS[-1])
        shown = waiting[: _room(shape, side)]
        sheet = np.zeros((shape.height, shape.width, 3), np.uint8)
        corners = [divmod(index, shape.width // side) for index in range(len(shown))]
        for face, (row, column) in zip(shown, corners, strict=True):
            part = sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]
            part[:] = _crop(places.levels, face, size, side)
        boxes = detector.detect(sheet, _HOPELESS)
        for face, (row, column) in zip(shown, corners, strict=True):
            seen.append(_seen(face, size, ((column + 0.5) * side, (row + 0.5) * side), boxes))
    return seen


def _room(shape: Shape, side: int) -> int:
    return (shape.width // side) * (shape.height // side)


def _crop(levels: Levels, face: Face, size: int, side: int) -> Bgr:
    zoom = size / max(face.width, face.height)
    source = levels.halved(max(0, int(np.floor(np.log2(1 / zoom)))))
    rows, columns = levels.picture.shape[:2]
    across, down = columns / source.shape[1], rows / source.shape[0]
    x, y = face.x + face.width / 2, face.y + face.height / 2
    move = np.array([[zoom * across, 0, side / 2 - x * zoom], [0, zoom * down, side / 2 - y * zoom]])
    crop = cv2.warpAffine(source, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(crop, dtype=np.uint8)


def _seen(face: Face, size: int, centre: tuple[float, float], boxes: Boxes) -> Face | None:
    """Return the face as the best box over it shows it; None where there is none."""
    zoom = size / max(face.width, face.height)
    half_width, half_height = face.width * zoom / 2, face.height * zoom / 2
    (x, y), middle = centre, (face.x + face.width / 2, face.y + face.height / 2)
    width = np.minimum(boxes[:, 2], x + half_width) - np.maximum(boxes[:, 0], x - half_width)
    height = np.minimum(boxes[:, 3], y + half_height) - np.maximum(boxes[:, 1], y - half_height)
    shared = width.clip(0) * height.clip(0)
    whole = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) + 4 * half_width * half_height
    here = shared > _SAME * (whole - shared)
    if not here.any():
        return None
    left, top, right, bottom, score = max(boxes[here].tolist(), key=lambda box: box[4])
    box = (
        middle[0] + (left - x) / zoom,
        middle[1] + (top - y) / zoom,
        middle[0] + (right - x) / zoom,
        middle[1] + (bottom - y) / zoom,
    )
    return face_at(box, score)
