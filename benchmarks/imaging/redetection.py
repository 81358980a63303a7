"""Whether detectors still see the faces that were treated."""

from typing import Final

import cv2
import numpy as np

from benchmarks.imaging.photos import Box
from loppestars_imaging.detect.base import Detector
from loppestars_imaging.detect.search import FaceSearch

OWN_SIDES: Final = (160, 200, 256, 320, 400, 512, 640, 800, 1024, 1280, 1600, 2000)
"""Long sides at which our own detector looks: steps of a quarter."""
SECOND_SIDES: Final = (448, 800, 1280)
"""Long sides for the second family, which is slower."""
_SMALLEST, _LARGEST = 0.4, 2.5  # width of a box that is this face again, over the width of the face


def still_seen(data: bytes, faces: list[Box], detector: Detector, threshold: float, sides: tuple[int, ...]) -> int:
    """Count the treated faces in which a detector sees a face at any of the scales."""
    if not faces:
        return 0
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    size, search = (picture.shape[1], picture.shape[0]), FaceSearch(detector)
    scales = [side for side in sides if side <= 4 * max(size)]
    boxes = np.concatenate([search.scan(np.asarray(picture, np.uint8), size, side, threshold) for side in scales])
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    wide = boxes[:, 2] - boxes[:, 0]
    hits = 0
    for left, top, right, bottom in faces:
        inside = (x > left) & (x < right) & (y > top) & (y < bottom)
        hits += bool((inside & (wide > _SMALLEST * (right - left)) & (wide < _LARGEST * (right - left))).any())
    return hits
