"""Looks again at the covered faces, and covers more strongly where a face is still seen.

Cells are averages, so a small picture of them shows what the result will show.
"""

from loppestars_imaging.cover.treatment import Treatment
from loppestars_imaging.detect.base import Detector
from loppestars_imaging.detect.levels import Levels
from loppestars_imaging.verify.sheets import Scene, areas_hit, lay_out, near

_LOOKS = 5
"""After so many looks what is left is wide mid-gray boxes, in which nothing can be recognised."""
_CAUTION = (0.5, 0.3)
"""Shares of the threshold from which a covered area is covered more strongly: at first, and once it has been seen.

How a viewer scales a photo moves a score by some tenths, and what was mistaken once is so more easily again."""


_BESIDE = 1.1
"""Areas so near to one that changed, in its radii, are looked at again with it."""


def strengthen(
    levels: Levels, treatments: list[Treatment], detector: Detector, scale: tuple[float, float], threshold: float
) -> list[Treatment]:
    """Return treatments under which the detector sees none of the faces any more.

    `levels` hold the upright photo at `scale` (horizontal, vertical) of its size.
    """
    final = list(treatments)
    looked_at = changed = list(range(len(final)))
    scene = Scene(levels)
    for _ in range(_LOOKS):
        scene.cover(changed, looked_at, [treatment.scaled(*scale) for treatment in final])
        thresholds = {index: threshold * _CAUTION[min(final[index].step, 1)] for index in looked_at}
        changed = _seen(scene, thresholds, detector)
        if not changed:
            break
        for index in changed:
            final[index] = final[index].stronger()
        # What is seen in an area also depends on the ones beside it.
        looked_at = near(changed, final, _BESIDE)
    return final


def _seen(scene: Scene, thresholds: dict[int, float], detector: Detector) -> list[int]:
    """Return the areas in which the detector sees a face, at any size, with at least the area's threshold."""
    least, hit = min(thresholds.values(), default=1.0), set[int]()
    for sheet in lay_out(list(thresholds)):
        hit |= areas_hit(detector.detect(scene.draw(sheet), least), sheet, thresholds)
    return sorted(hit)
