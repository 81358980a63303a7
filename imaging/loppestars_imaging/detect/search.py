"""Finds the faces of a photo: several scales, tiles, and what is left after merging."""

from typing import Final

import numpy as np

from loppestars_imaging.detect.base import Detector
from loppestars_imaging.detect.boxes import deduplicate, merge, scaled
from loppestars_imaging.detect.closer_look import Places, look_closer
from loppestars_imaging.detect.levels import Levels
from loppestars_imaging.detect.scales import ScalePlan, Tile, crowd_side, sides, tiles
from loppestars_imaging.faces import Bgr, Boxes, Face

_SEAM: Final = (
    3.0  # a box this near to an inner tile border is cut by it; the next tile or the coarser scale has it whole
)


class FaceSearch:
    """A detector with the scales it is used at."""

    def __init__(self, detector: Detector, plan: ScalePlan | None = None) -> None:
        self.detector = detector
        self.plan = plan or ScalePlan()

    def find(
        self, picture: Bgr | Levels, size: tuple[int, int], *, threshold: float | None = None, min_side: int = 0
    ) -> list[Face]:
        """Return the faces in pixels of the photo, whose `size` is (width, height); `picture` shows all of it.

        Raises DetectionFailed.
        """
        threshold = self.detector.threshold if threshold is None else threshold
        levels = picture if isinstance(picture, Levels) else Levels(picture)
        wanted = sides(*size, self.plan, min_side)
        candidate = min(self.plan.candidate, threshold)
        found = [self.scan_level(levels, size, side, candidate) for side in wanted]
        finer = crowd_side(*size, self.plan, wanted[0])
        clear = found[0][found[0][:, 4] >= threshold]
        longer = np.maximum(clear[:, 2] - clear[:, 0], clear[:, 3] - clear[:, 1]) * (wanted[0] / max(size))
        if finer is not None and (longer < self.plan.small_face).any():
            found.append(self.scan_level(levels, size, finer, candidate))
        seen = merge(np.concatenate(found), threshold, self.plan.sure)
        # What is surely a face, and what a closer look confirms.
        rows, columns = levels.picture.shape[:2]
        across, down = columns / size[0], rows / size[1]
        sure = [face for face in seen if face.score >= self.plan.sure]
        doubtful = [face.scaled(across, down) for face in seen if face.score < self.plan.sure]
        confirmed = look_closer(self.detector, Places(levels, doubtful), threshold + self.plan.doubt)
        return deduplicate([*sure, *(face.scaled(1 / across, 1 / down) for face in confirmed)]) if confirmed else sure

    def scan(self, picture: Bgr, size: tuple[int, int], side: int, threshold: float) -> Boxes:
        """Search at one scale; boxes are not merged, and in pixels of the photo."""
        return self.scan_level(Levels(picture), size, side, threshold)

    def scan_level(self, levels: Levels, size: tuple[int, int], side: int, threshold: float) -> Boxes:
        """Search a picture that is searched at other scales too."""
        level = levels.of_side(side)
        rows, columns = level.shape[:2]
        found = [self._scan_tile(level, tile, threshold) for tile in tiles(columns, rows, self.plan)]
        return scaled(np.concatenate(found), size[0] / columns, size[1] / rows)

    def _scan_tile(self, level: Bgr, tile: Tile, threshold: float) -> Boxes:
        part = level[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
        if part.shape[:2] != (tile.height, tile.width):
            padded = np.zeros((tile.height, tile.width, 3), np.uint8)
            padded[: part.shape[0], : part.shape[1]] = part
            part = padded
        boxes = self.detector.detect(part, threshold)
        rows, columns = level.shape[:2]
        cut = np.zeros(len(boxes), np.bool_)
        if tile.left > 0:
            cut |= boxes[:, 0] < _SEAM
        if tile.top > 0:
            cut |= boxes[:, 1] < _SEAM
        if tile.left + tile.width < columns:
            cut |= boxes[:, 2] > tile.width - _SEAM
        if tile.top + tile.height < rows:
            cut |= boxes[:, 3] > tile.height - _SEAM
        return scaled(boxes[~cut], 1.0, 1.0, tile.left, tile.top)


def resize(picture: Bgr, long_side: int) -> Bgr:
    """Scale so that the longer side is `long_side`, averaging where much smaller."""
    return Levels(picture).of_side(long_side)
