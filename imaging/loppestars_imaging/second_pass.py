"""Looks again at the covered faces, and covers more strongly where a face is still seen.

Cells are averages, so a small picture of them shows what the result will show.
"""

from loppestars_imaging.detectors.base import Detector
from loppestars_imaging.detectors.levels import Levels
from loppestars_imaging.sheets import Scene, areas_hit, lay_out
from loppestars_imaging.treatment import Treatment

_LOOKS = 5
"""After so many looks what is left is wide mid-gray boxes, in which nothing can be recognised."""
_CAUTION = 0.7
"""The second pass already reacts to this share of the threshold: writing the file moves pixels a little."""


def strengthen(
    levels: Levels, treatments: list[Treatment], detector: Detector, scale: tuple[float, float], threshold: float
) -> list[Treatment]:
    """Return treatments under which the detector sees none of the faces any more.

    `levels` hold the upright photo at `scale` (horizontal, vertical) of its size.
    """
    final = list(treatments)
    pending = list(range(len(final)))
    scene = Scene(levels)
    for _ in range(_LOOKS):
        scene.cover(pending, [treatment.scaled(*scale) for treatment in final])
        pending = _seen(scene, pending, detector, threshold * _CAUTION)
        if not pending:
            break
        for index in pending:
            final[index] = final[index].stronger()
    return final


def _seen(scene: Scene, pending: list[int], detector: Detector, threshold: float) -> list[int]:
    """Return the pending areas in which the detector sees a face, at any size."""
    hit = set[int]()
    for sheet in lay_out(pending):
        hit |= areas_hit(detector.detect(scene.draw(sheet), threshold), sheet)
    return sorted(hit)
