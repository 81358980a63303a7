"""Finds the faces of a photo: several scales, tiles, and what is left after merging."""

import cv2
import numpy as np

from loppestars_imaging.detectors.base import Detector
from loppestars_imaging.detectors.boxes import NO_BOXES, merge, scaled
from loppestars_imaging.detectors.scales import ScalePlan, Tile, sides, tiles
from loppestars_imaging.faces import Bgr, Boxes, Face, faces_of
from loppestars_imaging.orientation import TURNS

_SEAM = 3.0  # a box this near to an inner tile border is cut by it; the next tile or the coarser scale has it whole


class FaceSearch:
    """A detector with the scales it is used at."""

    def __init__(self, detector: Detector, plan: ScalePlan | None = None) -> None:
        self.detector = detector
        self.plan = plan or ScalePlan()

    def needed_side(self, width: int, height: int, least_side: int = 0) -> int:
        """Long side of the picture that `find` wants to see, at most the photo's own."""
        return min(max(width, height), sides(width, height, self.plan, least_side)[0])

    def find(
        self, picture: Bgr, size: tuple[int, int], *, threshold: float | None = None, least_side: int = 0
    ) -> list[Face]:
        """Return the faces in pixels of the photo, whose `size` is (width, height); `picture` shows all of it, smaller.

        Raises DetectionFailed.
        """
        threshold = self.detector.threshold if threshold is None else min(threshold, self.detector.threshold)
        found = [self.scan(picture, size, side, threshold) for side in sides(*size, self.plan, least_side)]
        return faces_of(merge(np.concatenate(found)))

    def find_turned(self, picture: Bgr, size: tuple[int, int], threshold: float) -> list[Face]:
        """Search the three other orientations, at the coarse scale, for photos that are not upright."""
        found = [NO_BOXES]
        for orientation in (3, 6, 8):
            turn = TURNS[orientation]
            turned_size = turn.size(*size)
            turned = np.ascontiguousarray(turn.pixels(picture))
            side = sides(*size, self.plan)[0]
            boxes = self.scan(turned, turned_size, side, threshold)
            found.append(_turned_back(boxes, orientation, turned_size))
        return faces_of(merge(np.concatenate(found)))

    def scan(self, picture: Bgr, size: tuple[int, int], side: int, threshold: float) -> Boxes:
        """Search at one scale; boxes are not merged, and in pixels of the photo."""
        level = resize(picture, side)
        rows, columns = level.shape[:2]
        found = [
            self._scan_tile(level, tile, threshold) for tile in tiles(columns, rows, self.plan, self.detector.stride)
        ]
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
    rows, columns = picture.shape[:2]
    factor = long_side / max(rows, columns)
    if factor == 1:
        return picture
    target = max(1, round(columns * factor)), max(1, round(rows * factor))
    method = cv2.INTER_AREA if factor < 0.6 else cv2.INTER_LINEAR  # noqa: PLR2004 - linear skips pixels below one half
    return np.asarray(cv2.resize(picture, target, interpolation=method), dtype=np.uint8)


def _turned_back(boxes: Boxes, orientation: int, size: tuple[int, int]) -> Boxes:
    """Map boxes of a picture turned by `orientation` (3, 6 or 8), of the turned `size`, back."""
    width, height = size
    left, top, right, bottom, score = boxes.T
    edges = {
        3: (width - right, height - bottom, width - left, height - top),
        6: (top, width - right, bottom, width - left),
        8: (height - bottom, left, height - top, right),
    }[orientation]
    return np.stack([*edges, score], axis=1).astype(np.float32)
