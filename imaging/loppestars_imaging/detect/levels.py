"""A picture at many sizes, each made from the next larger one."""

import cv2
import numpy as np

from loppestars_imaging.faces import Bgr


class Levels:
    """A picture, half of it, a quarter …, and any size in between."""

    def __init__(self, picture: Bgr) -> None:
        self._halved = [picture]

    @property
    def picture(self) -> Bgr:
        """The picture as it was given."""
        return self._halved[0]

    def halved(self, times: int) -> Bgr:
        """Return the picture halved so often, or as often as it can be."""
        while len(self._halved) <= times and min(self._halved[-1].shape[:2]) > 1:
            rows, columns = self._halved[-1].shape[:2]
            half = cv2.resize(self._halved[-1], (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
            self._halved.append(np.asarray(half, dtype=np.uint8))
        return self._halved[min(times, len(self._halved) - 1)]

    def of_side(self, long_side: int) -> Bgr:
        """Return the picture with this longer side, averaged where it is much smaller."""
        rows, columns = self.picture.shape[:2]
        factor = long_side / max(rows, columns)
        target = max(1, round(columns * factor)), max(1, round(rows * factor))
        times = 0
        while factor * 2 ** (times + 1) <= 1:
            times += 1
        source = self.halved(times)
        if source.shape[1::-1] == target:
            return source
        # Linear interpolation skips no pixel down to one half.
        return np.asarray(cv2.resize(source, target, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
