"""Photos that lie on their side although nothing in the file says so: which way up they are, and back again.

Detectors find upright faces. A photo without its EXIF, a scanned page or a screenshot may show people lying or standing
on their heads, of whom the upright search finds half, and none of them clearly (docs/imaging.md). So where no face is
clear, the three other orientations are tried in a small picture, and when one shows a clear face the photo is searched,
and its treatment checked, that way up.
"""

from dataclasses import dataclass, replace

import numpy as np

from loppestars_imaging.cover.treatment import Treatment
from loppestars_imaging.detect.boxes import each_once
from loppestars_imaging.detect.levels import Levels
from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.faces import Bgr, Face
from loppestars_imaging.options import Options, Orientations
from loppestars_jpeg.orientation import TURNS, UPRIGHT, Turn

_CLEAR = 0.92
"""A photo with a face of this score is the right way up: turned photos stay below it."""
_CLEAR_TURNED = 0.8
"""Score from which a face seen in another orientation at the coarse scale says that the photo is turned."""
_PROBE_SIDE = 448
"""Long side of the picture in which the other orientations are tried; all three together cost a fifth of a search."""
_OTHERS = tuple(TURNS[orientation] for orientation in (6, 8, 3))


@dataclass(frozen=True, slots=True)
class View:
    """A photo the right way up: the small picture, the photo's size, and the faces, all turned by `turn`."""

    levels: Levels
    size: tuple[int, int]
    faces: list[Face]
    turn: Turn = UPRIGHT

    @property
    def scale(self) -> tuple[float, float]:
        """Size of the picture over that of the photo, horizontal and vertical."""
        rows, columns = self.levels.picture.shape[:2]
        return columns / self.size[0], rows / self.size[1]

    def face_back(self, face: Face) -> Face:
        """Return a face of this view in pixels of the photo as it came."""
        left, top, right, bottom = face.x, face.y, face.x + face.width, face.y + face.height
        if self.turn.mirror_x:
            left, right = self.size[0] - right, self.size[0] - left
        if self.turn.mirror_y:
            top, bottom = self.size[1] - bottom, self.size[1] - top
        if self.turn.transpose:
            left, top, right, bottom = top, left, bottom, right
        return Face(left, top, right - left, bottom - top, face.score)

    def treatment_back(self, treatment: Treatment) -> Treatment:
        """Return a treatment of this view for the photo as it came."""
        return replace(treatment, face=self.face_back(treatment.face))


def right_way_up(search: FaceSearch, picture: Bgr, size: tuple[int, int], options: Options) -> View:
    """Find the faces of a photo, turning it where it lies on its side; `picture` is small, `size` the photo's.

    Faces that were found the wrong way up are kept: what is covered without need is better than what is not.
    Raises DetectionFailed.
    """
    threshold = search.detector.threshold if options.min_confidence is None else options.min_confidence
    levels = Levels(picture)
    upright = View(levels, size, search.find(levels, size, threshold=threshold, least_side=options.least_side))
    if options.orientations is Orientations.NEVER:
        return upright
    best = max((face.score for face in upright.faces), default=0.0)
    if options.orientations is Orientations.AUTO:
        if best >= _CLEAR:
            return upright
        turn = _turn_shown(search, levels, size, max(best, _CLEAR_TURNED), threshold)
        return (
            upright
            if turn is None
            else _joined(_searched(search, upright, turn, threshold, options.least_side), [upright])
        )
    views = [upright, *(_searched(search, upright, turn, threshold, options.least_side) for turn in _OTHERS)]
    clearest = max(views, key=lambda view: max((face.score for face in view.faces), default=0.0))
    return _joined(clearest, [view for view in views if view is not clearest])


def _turn_shown(
    search: FaceSearch, levels: Levels, size: tuple[int, int], above: float, threshold: float
) -> Turn | None:
    """Return the turn under which the coarse scale shows the clearest face, if one has more than `above`."""
    shown = None
    small = levels.of_side(min(_PROBE_SIDE, max(levels.picture.shape[:2])))
    for turn in _OTHERS:
        turned = np.ascontiguousarray(turn.pixels(small))
        boxes = search.scan(turned, turn.size(*size), _PROBE_SIDE, threshold)
        if len(boxes) and (score := float(boxes[:, 4].max())) > above:
            shown, above = turn, score
    return shown


def _searched(search: FaceSearch, upright: View, turn: Turn, threshold: float, least_side: int) -> View:
    levels = Levels(np.ascontiguousarray(turn.pixels(upright.levels.picture)))
    size = turn.size(*upright.size)
    return View(levels, size, search.find(levels, size, threshold=threshold, least_side=least_side), turn)


def _joined(view: View, others: list[View]) -> View:
    """Return a view with the faces of the others too, each face once."""
    stored = [other.face_back(face) for other in others for face in other.faces]
    return replace(view, faces=each_once([*view.faces, *(_turned(face, view) for face in stored)]))


def _turned(face: Face, view: View) -> Face:
    """Return a face of the photo as it came in pixels of the view."""
    left, top, right, bottom = face.x, face.y, face.x + face.width, face.y + face.height
    if view.turn.transpose:
        left, top, right, bottom = top, left, bottom, right
    if view.turn.mirror_x:
        left, right = view.size[0] - right, view.size[0] - left
    if view.turn.mirror_y:
        top, bottom = view.size[1] - bottom, view.size[1] - top
    return Face(left, top, right - left, bottom - top, face.score)
