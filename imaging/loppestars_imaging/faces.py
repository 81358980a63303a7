"""What a detector finds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
"""Shape (N, 5): left, top, right, bottom in pixels, and score 0-1."""
Pixels = npt.NDArray[Any]
"""Shape (rows, columns, channels), unsigned 8- or 16-bit."""
Bgr = npt.NDArray[np.uint8]
"""Shape (rows, columns, 3): blue, green, red, as detectors expect them."""


@dataclass(frozen=True, slots=True)
class Face:
    """One detected face in pixels of the upright photo; may reach over its edges."""

    x: float
    y: float
    width: float
    height: float
    score: float

    def scaled(self, horizontal: float, vertical: float) -> "Face":
        """Return the face in a picture that is larger by these factors."""
        return Face(self.x * horizontal, self.y * vertical, self.width * horizontal, self.height * vertical, self.score)


def faces_of(boxes: Boxes) -> list[Face]:
    """Turn rows of (left, top, right, bottom, score) into faces."""
    return [
        Face(float(left), float(top), float(right - left), float(bottom - top), float(score))
        for left, top, right, bottom, score in boxes
    ]
