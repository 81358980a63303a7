"""Merging what several scales and tiles found."""

import numpy as np
import numpy.typing as npt

from loppestars_imaging.faces import Boxes, Face, faces_of

NO_BOXES: Boxes = np.empty((0, 5), np.float32)
_SAME_FACE = 0.35
"""Intersection over union from which two boxes are one face."""
_INSIDE = 0.8
"""Share of the smaller box inside the larger from which it is a part of that face (a fragment from a finer scale)."""


def merge(boxes: Boxes) -> Boxes:
    """Non-maximum suppression: keep the best box of each face, best first."""
    order = np.argsort(-boxes[:, 4], kind="stable")
    ordered = boxes[order]
    areas = _areas(ordered)
    alive = np.ones(len(ordered), np.bool_)
    kept = []
    for index in range(len(ordered)):
        if not alive[index]:
            continue
        kept.append(index)
        overlap = _intersections(ordered[index], ordered)
        union = areas + areas[index] - overlap
        smaller = np.minimum(areas, areas[index])
        same = (overlap > _SAME_FACE * union) | (overlap > _INSIDE * smaller)
        alive &= ~same
    return ordered[kept]


def each_once(faces: list[Face]) -> list[Face]:
    """Return the faces that several searches of one photo found, each once, best first."""
    rows = [(face.x, face.y, face.x + face.width, face.y + face.height, face.score) for face in faces]
    return faces_of(merge(np.array(rows, np.float32).reshape(-1, 5)))


def scaled(boxes: Boxes, horizontal: float, vertical: float, left: float = 0.0, top: float = 0.0) -> Boxes:
    """Move boxes by (left, top), then scale them."""
    result = boxes.copy()
    result[:, [0, 2]] = (boxes[:, [0, 2]] + left) * horizontal
    result[:, [1, 3]] = (boxes[:, [1, 3]] + top) * vertical
    return result


def _areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    return np.asarray((boxes[:, 2] - boxes[:, 0]).clip(0) * (boxes[:, 3] - boxes[:, 1]).clip(0))


def _intersections(box: npt.NDArray[np.float32], boxes: Boxes) -> npt.NDArray[np.float32]:
    width = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    height = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    return np.asarray(width.clip(0) * height.clip(0))
