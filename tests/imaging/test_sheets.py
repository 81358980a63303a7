"""The second look: how covered areas are shown to the detector, and what follows from what it sees."""

import numpy as np
import pytest

from loppestars_imaging.cover.treatment import Treatment, plan
from loppestars_imaging.detect.boxes import NO_BOXES
from loppestars_imaging.detect.levels import Levels
from loppestars_imaging.faces import Bgr, Boxes, Face
from loppestars_imaging.options import Options, Style
from loppestars_imaging.verify.second_pass import strengthen
from loppestars_imaging.verify.sheets import SIZES, Scene, areas_hit, crop_side, lay_out, near


def areas(*places: tuple[float, float], side: float = 60) -> list[Treatment]:
    return plan([Face(x, y, side, side, 0.9) for x, y in places], Options())


class Distrustful:
    """A detector that sees a face in the middle of every crop until areas are so gray."""

    name = "distrustful"
    stride = 32
    threshold = 0.5

    def __init__(self, looks: int) -> None:
        self.left = looks

    def detect(self, picture: Bgr, threshold: float) -> Boxes:
        self.left -= 1
        if self.left < 0:
            return NO_BOXES
        middle = crop_side(SIZES[-1]) / 2
        half = SIZES[-1] / 3
        return np.array([[middle - half, middle - half, middle + half, middle + half, 0.9]], np.float32)


class TestLayout:
    @pytest.mark.parametrize("count", [0, 1, 3, 24, 200])
    def test_every_area_is_shown_once_at_every_size(self, count: int) -> None:
        """Crops lie inside their sheets and do not overlap."""
        sheets = lay_out(list(range(count)))
        crops = [crop for sheet in sheets for crop in sheet.crops]
        assert sorted((c.area, c.size) for c in crops) == sorted((a, s) for a in range(count) for s in SIZES)
        for sheet in sheets:
            taken = np.zeros((sheet.shape.height, sheet.shape.width), np.int32)
            for crop in sheet.crops:
                assert crop.left + crop.side <= sheet.shape.width
                assert crop.top + crop.side <= sheet.shape.height
                taken[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side] += 1
            assert taken.max() == 1

    def test_few_areas_need_one_small_sheet(self) -> None:
        """A photo with one face pays for one small run."""
        assert len(lay_out([0])) == 1
        assert lay_out([0])[0].shape.width < lay_out(list(range(24)))[0].shape.width


class TestScene:
    def test_a_crop_shows_the_covered_area(self) -> None:
        """The middle of each crop is faded, its surroundings are those of the photo."""
        picture = np.full((600, 800, 3), 250, np.uint8)
        treatments = areas((300, 200), side=100)
        scene = Scene(Levels(picture))
        scene.cover([0], [0], treatments)
        (sheet,) = lay_out([0])
        drawn = scene.draw(sheet)
        for crop in sheet.crops:
            middle = crop.side // 2
            assert abs(int(drawn[crop.top + middle, crop.left + middle, 0]) - (250 + 128) / 2) <= 2
            assert drawn[crop.top + 2, crop.left + 2, 0] == 250

    def test_areas_at_the_border_have_surroundings_too(self) -> None:
        """Beyond the photo its last pixels go on."""
        scene = Scene(Levels(np.full((100, 100, 3), 80, np.uint8)))
        scene.cover([0], [0], areas((-20, -20)))
        (sheet,) = lay_out([0])
        assert scene.draw(sheet)[: sheet.crops[0].side, : sheet.crops[0].side].min() >= 79


class TestHits:
    def test_a_box_counts_for_the_area_it_lies_on(self) -> None:
        """Not for the neighbour, not below the area's threshold, and not when it is a speck."""
        (sheet,) = lay_out([0, 1])
        first, second = sheet.crops[:2]
        x, y, half = first.left + first.side / 2, first.top + first.side / 2, first.size / 3
        box = np.array([[x - half, y - half, x + half, y + half, 0.5]], np.float32)
        assert areas_hit(box, sheet, {0: 0.4, 1: 0.4}) == {0}
        assert areas_hit(box, sheet, {0: 0.6, 1: 0.4}) == set()
        speck = np.array([[x - 1, y - 1, x + 1, y + 1, 0.9]], np.float32)
        assert areas_hit(speck, sheet, {0: 0.4, 1: 0.4}) == set()
        beside = box + np.array([first.side / 2, 0, first.side / 2, 0, 0], np.float32)
        assert second.left == first.left + first.side
        assert areas_hit(beside, sheet, {0: 0.4, 1: 0.4}) == set()
        assert areas_hit(NO_BOXES, sheet, {0: 0.4, 1: 0.4}) == set()

    def test_neighbours_of_a_change(self) -> None:
        """An area far away is not looked at again."""
        assert near([0], areas((100, 100), (180, 100), (900, 100)), 1.25) == [0, 1]


class TestStrengthening:
    def test_nothing_seen_leaves_the_floor(self) -> None:
        """One look, and the areas stay as they were planned."""
        treatments = areas((100, 100), (400, 300))
        levels = Levels(np.zeros((500, 600, 3), np.uint8))
        assert strengthen(levels, treatments, Distrustful(0), (1.0, 1.0), 0.5) == treatments

    def test_what_is_seen_ends_as_a_gray_box_that_grows(self) -> None:
        """However stubborn the detector, it ends, and the area is hidden as strongly as can be."""
        levels = Levels(np.zeros((500, 600, 3), np.uint8))
        (final,) = strengthen(levels, areas((100, 100)), Distrustful(1000), (1.0, 1.0), 0.5)
        assert final.strength.style is Style.SOLID
        assert final.radii[0] > areas((100, 100))[0].radii[0] * 1.5

    def test_no_faces_cost_nothing(self) -> None:
        """The detector is not asked."""
        detector = Distrustful(1)
        assert strengthen(Levels(np.zeros((50, 60, 3), np.uint8)), [], detector, (1.0, 1.0), 0.5) == []
        assert detector.left == 1
