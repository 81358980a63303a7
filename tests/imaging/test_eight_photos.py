"""What the sheet of eight photos in the documentation shows, and our own results as input."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.imaging.sheet import SUBJECTS
from loppestars_imaging.cover.area import EDGE, Area, Window, distances, offsets, readable
from loppestars_imaging.pipeline import Anonymised, Anonymiser

FACES = {"portrait": 1, "two people": 2, "crowd": 15, "profile": 1, "mask": 1, "drawing": 0, "animal": 0, "night": 10}
"""At least so many are covered; where it is none, exactly so many."""
MEAN_STEP, MAX_STEP = 12, 32
"""Levels of 255 that the mean colour may differ across the edge of a cover: on average over all, and of any."""


@pytest.fixture(scope="module")
def results(anonymiser: Anonymiser) -> dict[str, Anonymised]:
    """The photos of the sheet, covered as by default."""
    found = {}
    for name, make in SUBJECTS.items():
        target = io.BytesIO()
        make().save(target, "JPEG", quality=92)
        found[name] = anonymiser.anonymise(target.getvalue())
    return found


def step(pixels: np.ndarray, area: Area, others: list[Area]) -> float | None:
    """Difference of the mean colour between the inner rim of a cover and its surroundings; None where it is tiny."""
    window = Window(0, 0, pixels.shape[1], pixels.shape[0])
    dx, dy = offsets(window, area)
    distance = distances(dx[None, :], dy[:, None], area.shape)
    alone = readable(window, others)
    within, beyond = (distance > 0.92) & (distance < 1) & alone, (distance >= EDGE) & (distance < EDGE + 0.08) & alone
    if min(within.sum(), beyond.sum()) < 10:
        return None
    return float(np.abs(pixels[within].mean(axis=0) - pixels[beyond].mean(axis=0)).max())


class TestSheet:
    def test_faces(self, results: dict[str, Anonymised]) -> None:
        """People of every kind are covered, drawings and animals are not."""
        found = {name: len(result.faces) for name, result in results.items()}
        assert all(found[name] >= least if least else not found[name] for name, least in FACES.items()), found

    def test_no_seam(self, results: dict[str, Anonymised]) -> None:
        """The mean colour hardly differs across the edges of covers."""
        steps = []
        for result in results.values():
            with Image.open(io.BytesIO(result.data)) as image:
                pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
            for area in result.areas:
                others = [other for other in result.areas if other is not area]
                steps += [found for found in (step(pixels, area, others),) if found is not None]
        assert len(steps) >= 20
        assert np.mean(steps) < MEAN_STEP
        assert max(steps) < MAX_STEP


class TestOwnResults:
    @pytest.mark.parametrize("name", ["portrait", "two people", "profile", "mask", "drawing", "animal", "night"])
    def test_nothing_new(self, anonymiser: Anonymiser, results: dict[str, Anonymised], name: str) -> None:
        """A published photo that comes back has no face beside its covers, and stays as it is."""
        first = results[name]
        again = anonymiser.anonymise(first.data)
        for face in again.faces:
            x, y = face.x + face.width / 2, face.y + face.height / 2
            assert any(abs(x - area.x) < area.rx and abs(y - area.y) < area.ry for area in first.areas), face
        if not again.faces:
            with Image.open(io.BytesIO(first.data)) as one, Image.open(io.BytesIO(again.data)) as two:
                assert np.array_equal(np.asarray(one), np.asarray(two))
