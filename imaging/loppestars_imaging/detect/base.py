"""What a face detector is."""

from typing import Protocol

from loppestars_imaging.faces import Bgr, Boxes


class Detector(Protocol):
    """Finds faces in one picture at one scale. Not thread-safe: one detector a process."""

    name: str
    """Model, for logs and reports."""
    stride: int
    """Sides of a picture given to `detect` are multiples of this."""
    threshold: float
    """Score from which a candidate is a face; chosen on the tuning half of the evaluation."""

    def detect(self, picture: Bgr, threshold: float) -> Boxes:
        """Return candidates of at least `threshold`, not yet merged: (left, top, right, bottom, score) in pixels."""
        ...
