"""Lays crops around covered areas onto sheets, so that the detector sees them all in few runs.

A covered area is mistaken for a face where it is some ten to forty pixels large, whatever its size in the photo. Every
area is therefore shown at several such sizes, each with its surroundings: detectors also look at hair and shoulders.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from loppestars_imaging.cover.pixels import cover
from loppestars_imaging.cover.treatment import Treatment
from loppestars_imaging.detect.levels import Levels
from loppestars_imaging.detect.scales import MEDIUM, SMALL, Shape
from loppestars_imaging.faces import Bgr, Boxes

SIZES = (13, 19, 28, 42)
"""Longer sides of the areas on the sheets, in pixels."""
_SURROUNDINGS = 2.4, 10
"""A crop is so many times as large as its area, and so many pixels more: what surrounds small areas counts for more."""
_OFF_CENTRE = 0.6
"""A box belongs to an area when its centre is no farther from the area's, in longer sides of the area."""
_LEAST_BOX = 0.2
"""Smaller boxes, in longer sides of the area, are of something else."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Where an area is shown: its index, its size there, and the crop's corner on its sheet."""

    area: int
    size: int
    left: int
    top: int

    @property
    def side(self) -> int:
        """Side of the crop in pixels."""
        return crop_side(self.size)


@dataclass(slots=True)
class Sheet:
    """Crops side by side."""

    shape: Shape
    crops: list[Crop]


def crop_side(size: int) -> int:
    """Return the side of the crop that shows an area at this size."""
    times, more = _SURROUNDINGS
    return round(times * size) + more


_VIEW = crop_side(SIZES[0]) / SIZES[0]
"""Side of the largest crop, over the longer side of its area."""


def lay_out(areas: list[int]) -> list[Sheet]:
    """Return sheets that show every area at every size, the large crops first."""
    wanted = [(area, size) for size in sorted(SIZES, reverse=True) for area in areas]
    small = _fill(wanted, SMALL)
    if len(small) <= 1:
        return small
    sheets = _fill(wanted, MEDIUM[0])
    last = _fill([(crop.area, crop.size) for crop in sheets[-1].crops], SMALL)
    return sheets[:-1] + (last if len(last) == 1 else sheets[-1:])


def _fill(wanted: list[tuple[int, int]], shape: Shape) -> list[Sheet]:
    """Fill sheets row by row; crops come largest first, so each fits the row it is put into."""
    sheets: list[Sheet] = []
    left = top = height = 0
    for area, size in wanted:
        side = crop_side(size)
        if left + side > shape.width:
            left, top, height = 0, top + height, 0
        if not sheets or top + side > shape.height:
            sheets.append(Sheet(shape, []))
            left = top = height = 0
        sheets[-1].crops.append(Crop(area, size, left, top))
        left, height = left + side, max(height, side)
    return sheets


@dataclass(frozen=True, slots=True)
class _Covered:
    """A level of the photo, and which areas are covered there."""

    picture: Bgr
    areas: set[int]


class Scene:
    """The photo at the few sizes at which areas are shown, covered there."""

    def __init__(self, levels: Levels) -> None:
        self._levels = levels
        self._covered: dict[int, _Covered] = {}
        self._shown: dict[int, Bgr] = {}

    def cover(self, changed: list[int], shown: list[int], treatments: list[Treatment]) -> None:
        """Cover the areas that changed, and take crops of those to be shown.

        `treatments` are all there are, in pixels of the largest level.
        """
        wanted = {index: self._level(treatments[index]) for index in shown}
        for done in self._covered.values():
            done.areas.difference_update(changed)
        for level in set(wanted.values()):
            here = [index for index in shown if wanted[index] == level]
            self._cover_level(level, near(here, treatments, _VIEW), treatments)
        self._shown = {index: self._crop(level, treatments[index]) for index, level in wanted.items()}

    def _cover_level(self, level: int, areas: list[int], treatments: list[Treatment]) -> None:
        """Cover those of the areas that are not covered yet as they are now."""
        source = self._levels.halved(level)
        if level not in self._covered:
            self._covered[level] = _Covered(source.copy(), set())
        target = self._covered[level]
        across, down = self._zoom(level)
        missing = [treatments[index].scaled(across, down) for index in areas if index not in target.areas]
        cover(target.picture, missing, source=source)
        target.areas.update(areas)

    def draw(self, sheet: Sheet) -> Bgr:
        """Return the sheet's picture."""
        picture = np.zeros((sheet.shape.height, sheet.shape.width, 3), np.uint8)
        for place in sheet.crops:
            side = place.side
            shown = _middle(self._shown[place.area], round(side * SIZES[-1] / place.size))
            if 2 * side < len(shown):  # linear interpolation skips no pixel down to one half
                shown = _resized(shown, 2 * side)
            target = picture[place.top : place.top + side, place.left : place.left + side]
            target[:] = _resized(shown, side)
        return picture

    def _level(self, treatment: Treatment) -> int:
        """Return how often to halve the photo so that little is left to shrink."""
        return max(0, int(np.log2(max(1.0, 2 * max(treatment.radii) / SIZES[-1]))))

    def _zoom(self, level: int) -> tuple[float, float]:
        rows, columns = self._levels.halved(level).shape[:2]
        full_rows, full_columns = self._levels.picture.shape[:2]
        return columns / full_columns, rows / full_rows

    def _crop(self, level: int, treatment: Treatment) -> Bgr:
        """Return an area at the largest size it is shown at, with the surroundings that the smallest is shown with."""
        side = round(_VIEW * SIZES[-1])
        zoom = SIZES[-1] / (2 * max(treatment.radii))
        across, down = self._zoom(level)
        (x, y), middle = treatment.center, side / 2
        move = np.array([[zoom / across, 0, middle - x * zoom], [0, zoom / down, middle - y * zoom]])
        crop = cv2.warpAffine(
            self._covered[level].picture, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(crop, dtype=np.uint8)


def near(places: list[int], treatments: list[Treatment], distance: float) -> list[int]:
    """Return the areas that reach into the surroundings of one of the `places`, `distance` radii of it wide."""
    centers = np.array([treatment.center for treatment in treatments])
    radii = np.array([treatment.radii for treatment in treatments])
    reach = radii[places].max(axis=1) * distance
    close = np.abs(centers[:, None] - centers[places]) < radii[:, None] + reach[:, None]
    return [int(index) for index in np.nonzero(close.all(axis=2).any(axis=1))[0]]


def areas_hit(boxes: Boxes, sheet: Sheet, thresholds: dict[int, float]) -> set[int]:
    """Return the areas over which there is a box of at least the area's threshold, and not merely beside them."""
    if not len(boxes):
        return set()
    places = np.array([(c.left + c.side / 2, c.top + c.side / 2, c.size, thresholds[c.area]) for c in sheet.crops])
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    longer = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    off = np.maximum(np.abs(x[:, None] - places[:, 0]), np.abs(y[:, None] - places[:, 1]))
    hit = (off < _OFF_CENTRE * places[:, 2]) & (longer[:, None] > _LEAST_BOX * places[:, 2])
    hit &= boxes[:, 4, None] >= places[:, 3]
    return {sheet.crops[index].area for index in np.nonzero(hit.any(axis=0))[0]}


def _middle(crop: Bgr, side: int) -> Bgr:
    margin = (len(crop) - side) // 2
    return crop[margin : margin + side, margin : margin + side]


def _resized(crop: Bgr, side: int) -> Bgr:
    return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
