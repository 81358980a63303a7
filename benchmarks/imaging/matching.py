"""Counts found, missed, invented and hidden faces."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from benchmarks.imaging.photos import Box, Sample
from loppestars_imaging.cover.area import Area
from loppestars_imaging.options import Shape

SAME: Final = 0.35
"""Intersection over union from which a found box is the labelled face."""
TOUCHES: Final = 0.2
"""Overlap with a face or a doubtful box from which a further box is not counted as invented."""
LEAST_SHARE: Final = 0.01
"""Faces lower than this share of the photo's long side (16 pixels of 1600) are counted in a class of their own."""
TINY: Final = "below 1 % of the side"
CLASSES: Final = (16, 32, 64, 128, 256, 512, 1024)
HIDDEN: Final = 0.9
"""Share of a face that has to be inside treated areas."""
_GRID: Final = 17


@dataclass(slots=True)
class Score:
    """Counts over many photos. `faces` and `found` are those of at least LEAST_SHARE; `by_class` has all."""

    photos: int = 0
    faces: int = 0
    found: int = 0
    hidden: int = 0
    false: int = 0
    by_class: Counter[str] = field(default_factory=Counter)
    found_by_class: Counter[str] = field(default_factory=Counter)

    @property
    def recall(self) -> float:
        return self.found / max(1, self.faces)

    @property
    def precision(self) -> float:
        return self.found / max(1, self.found + self.false)

    def add(self, sample: Sample, boxes: list[Box], areas: list[Area]) -> None:
        """Count one photo: each face takes its best free box."""
        self.photos += 1
        faces = sample.faces
        pairs = sorted(
            ((overlap(box, face), i, j) for i, box in enumerate(boxes) for j, face in enumerate(faces)), reverse=True
        )
        boxes_left, faces_left = set(range(len(boxes))), set(range(len(faces)))
        for same, i, j in pairs:
            if same >= SAME and i in boxes_left and j in faces_left:
                boxes_left.discard(i)
                faces_left.discard(j)
        for index, face in enumerate(faces):
            self._count(class_of(face, sample.size), face, areas, found=index not in faces_left)
        self.false += sum(
            1 for i in boxes_left if not any(overlap(boxes[i], other) > TOUCHES for other in faces + sample.ignored)
        )

    def _count(self, name: str, face: Box, areas: list[Area], *, found: bool) -> None:
        self.by_class[name] += 1
        self.found_by_class[name] += found
        if name != TINY:
            self.faces += 1
            self.found += found
            self.hidden += is_hidden(face, areas)


def class_of(face: Box, size: tuple[int, int]) -> str:
    """Name the size class of a face by its height in pixels."""
    height = face[3] - face[1]
    if height < LEAST_SHARE * max(size):
        return TINY
    lower = max((edge for edge in CLASSES if edge <= height), default=0)
    upper = next((edge for edge in CLASSES if edge > height), None)
    return f"{lower}-{upper or ''} px"


def is_hidden(face: Box, areas: list[Area]) -> bool:
    """Tell whether treated areas cover HIDDEN of the ellipse in the face's box."""
    left, top, right, bottom = face
    unit = np.linspace(-1, 1, _GRID)
    grid_x, grid_y = np.meshgrid(unit, unit)
    inside = grid_x**2 + grid_y**2 <= 1
    x = (left + right) / 2 + grid_x[inside] * (right - left) / 2
    y = (top + bottom) / 2 + grid_y[inside] * (bottom - top) / 2
    covered = np.zeros(len(x), np.bool_)
    for area in areas:
        dx, dy = np.abs(x - area.x) / area.rx, np.abs(y - area.y) / area.ry
        covered |= (np.maximum(dx, dy) < 1) if area.shape is Shape.BOX else (dx**2 + dy**2 < 1)
    return bool(covered.mean() >= HIDDEN)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - width * height
    return width * height / union


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson, 1927)."""
    if total == 0:
        return 0.0, 1.0
    z, share = 1.96, hits / total
    center = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (center - spread) / scale), min(1.0, (center + spread) / scale)
