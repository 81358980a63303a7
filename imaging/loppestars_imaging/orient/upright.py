"""Photos that lie on their side although nothing in the file says so: the faces in them, whichever way up they are.

Detectors find upright faces. A photo without its EXIF, a scanned page or a screenshot may show people lying or standing
on their heads, of whom the upright search finds half, and none of them clearly (docs/imaging-measurements.md). So where
no face is clear, the three other orientations are tried in a small picture, and when one shows a clear face the photo
is searched that way up too.
"""

from typing import Final

import numpy as np

from loppestars_imaging.detect.boxes import deduplicate
from loppestars_imaging.detect.levels import Levels
from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.faces import Bgr, Face
from loppestars_imaging.options import Options, Orientations
from loppestars_jpeg.orientation import TURNS, Turn

_CLEAR: Final = 0.92
"""A photo with a face of this score is the right way up: turned photos stay below it."""
_CLEAR_TURNED: Final = 0.8
"""Score from which a face seen in another orientation says that the photo is turned: at the coarse scale, and then at
those of the search. A hand that looks like a face from the side scores so much at one of them at most."""
_PROBE_SIDE: Final = 448
"""Long side of the picture in which the other orientations are tried; all three together cost a fifth of a search."""
_OTHERS: Final = tuple(TURNS[orientation] for orientation in (6, 8, 3))


def find_faces(search: FaceSearch, picture: Bgr, size: tuple[int, int], options: Options) -> list[Face]:
    """Return the faces of a photo of `size`, of which `picture` shows all, whichever way up it lies.

    Faces that were found the wrong way up are kept: what is covered without need is better than what is not.
    Raises DetectionFailed.
    """
    if options.covers is not None:  # chosen by a person
        width, height = size
        return [Face(x * width, y * height, w * width, h * height, 1.0) for x, y, w, h in options.covers]
    threshold = search.detector.threshold if options.min_confidence is None else options.min_confidence
    levels = Levels(picture)
    upright = search.find(levels, size, threshold=threshold, min_side=options.least_side)
    best = max((face.score for face in upright), default=0.0)
    if options.orientations is Orientations.NEVER or (options.orientations is Orientations.AUTO and best >= _CLEAR):
        return upright
    turns = _OTHERS
    if options.orientations is Orientations.AUTO:
        shown = _turn_shown(search, levels, size, max(best, _CLEAR_TURNED), threshold)
        turns = () if shown is None else (shown,)
    lying = []
    for turn in turns:
        turned, turned_size = Levels(np.ascontiguousarray(turn.pixels(picture))), turn.size(*size)
        found = search.find(turned, turned_size, threshold=threshold, min_side=options.least_side)
        if options.orientations is Orientations.AUTO and all(face.score < _CLEAR_TURNED for face in found):
            continue
        lying += [face.before(turn, *turned_size) for face in found]
    return deduplicate([*upright, *lying]) if lying else upright


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
