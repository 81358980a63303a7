"""What a detector finds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loppestars_jpeg.orientation import Turn

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""
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
    extent: Box | None = None
    """Left, top, right, bottom of all that the search saw of it, where that is more than the box."""

    @property
    def box(self) -> Box:
        """Left, top, right, bottom."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    def scaled(self, horizontal: float, vertical: float) -> "Face":
        """Return the face in a picture that is larger by these factors."""

        def scale(box: Box) -> Box:
            return box[0] * horizontal, box[1] * vertical, box[2] * horizontal, box[3] * vertical

        return face_at(scale(self.box), self.score, None if self.extent is None else scale(self.extent))

    def before(self, turn: Turn, width: int, height: int) -> "Face":
        """Return the face where it was before a turn; the size is that after it."""
        extent = None if self.extent is None else turn.box_before(self.extent, width, height)
        return face_at(turn.box_before(self.box, width, height), self.score, extent)


def face_at(box: Box, score: float, extent: Box | None = None) -> Face:
    """Return the face in a box."""
    left, top, right, bottom = box
    return Face(left, top, right - left, bottom - top, score, extent)


def faces_of(boxes: Boxes) -> list[Face]:
    """Turn rows of (left, top, right, bottom, score) into faces."""
    return [
        Face(float(left), float(top), float(right - left), float(bottom - top), float(score))
        for left, top, right, bottom, score in boxes
    ]
