"""Merging what several scales and tiles found."""

from typing import Final

import numpy as np

from loppestars_imaging.faces import Boxes, Face, face_at

NO_BOXES: Final[Boxes] = np.empty((0, 5), np.float32)
_SAME_FACE: Final = 0.35
"""Intersection over union from which two boxes are one face."""
_INSIDE: Final = 0.8
"""Share of the smaller box inside the larger from which it is a part of that face (a fragment from a finer scale)."""
_MAX_GROWTH: Final = 4.0
"""A box that is so many times as large as a clearer one inside it is a face of its own."""


def merge(boxes: Boxes, clear: float = 0.0, sure: float = 0.0) -> list[Face]:
    """Return each face once, best first (non-maximum suppression).

    Its extent is that of all the boxes of at least the score `clear` that show it. One that scores less than `sure`
    takes no far smaller boxes with it: what a closer look may refuse must not hide the faces in it.
    """
    ordered = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    areas = (ordered[:, 2] - ordered[:, 0]).clip(0) * (ordered[:, 3] - ordered[:, 1]).clip(0)
    alive = np.ones(len(ordered), np.bool_)
    faces = []
    for index in range(len(ordered)):
        if not alive[index]:
            continue
        width = np.minimum(ordered[index, 2], ordered[:, 2]) - np.maximum(ordered[index, 0], ordered[:, 0])
        height = np.minimum(ordered[index, 3], ordered[:, 3]) - np.maximum(ordered[index, 1], ordered[:, 1])
        overlap = width.clip(0) * height.clip(0)
        union = areas + areas[index] - overlap
        smaller = np.minimum(areas, areas[index])
        same = (overlap > _SAME_FACE * union) | (overlap > _INSIDE * smaller)
        same &= alive & (areas <= _MAX_GROWTH * areas[index])
        if ordered[index, 4] < sure:
            same &= areas * _MAX_GROWTH >= areas[index]
        same[index] = True
        alive &= ~same
        left, top, right, bottom, score = ordered[index].tolist()
        seen = ordered[same & (ordered[:, 4] >= clear)]
        extent = (*seen[:, :2].min(axis=0).tolist(), *seen[:, 2:4].max(axis=0).tolist()) if len(seen) > 1 else None
        faces.append(face_at((left, top, right, bottom), score, extent))
    return faces


def deduplicate(faces: list[Face]) -> list[Face]:
    """Return the faces that several searches of one photo found, each once, best first."""
    rows = [(*face.box, face.score) for face in faces]
    rows += [(*face.extent, face.score) for face in faces if face.extent is not None]
    return merge(np.array(rows, np.float32).reshape(-1, 5))


def scaled(boxes: Boxes, horizontal: float, vertical: float, left: float = 0.0, top: float = 0.0) -> Boxes:
    """Move boxes by (left, top), then scale them."""
    result = boxes.copy()
    result[:, [0, 2]] = (boxes[:, [0, 2]] + left) * horizontal
    result[:, [1, 3]] = (boxes[:, [1, 3]] + top) * vertical
    return result
