"""Counts found, missed and invented faces."""

from dataclasses import dataclass

from benchmarks.imaging.collages import Box

SAME = 0.35
"""Intersection over union from which a found box is the labelled face."""

TOUCHES = 0.2
"""Overlap with a face or a doubtful box from which a further box is not counted as invented."""


@dataclass(slots=True)
class Score:
    """Counts over many photos."""

    photos: int = 0
    faces: int = 0
    found: int = 0
    false: int = 0

    @property
    def recall(self) -> float:
        """Found share of the faces."""
        return self.found / max(1, self.faces)

    @property
    def precision(self) -> float:
        """Share of the boxes that are faces."""
        return self.found / max(1, self.found + self.false)

    def add(self, boxes: list[Box], faces: list[Box], ignored: list[Box]) -> None:
        """Count one photo: each face takes its best free box."""
        self.photos += 1
        self.faces += len(faces)
        pairs = sorted(
            ((overlap(box, face), i, j) for i, box in enumerate(boxes) for j, face in enumerate(faces)), reverse=True
        )
        boxes_left, faces_left = set(range(len(boxes))), set(range(len(faces)))
        for same, i, j in pairs:
            if same >= SAME and i in boxes_left and j in faces_left:
                boxes_left.discard(i)
                faces_left.discard(j)
                self.found += 1
        self.false += sum(
            1 for i in boxes_left if not any(overlap(boxes[i], other) > TOUCHES for other in faces + ignored)
        )


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - width * height
    return width * height / union
