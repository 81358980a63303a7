"""What several scales and tiles found becomes one face each."""

import numpy as np

from loppestars_imaging.detect.boxes import NO_BOXES, merge
from loppestars_imaging.faces import Boxes


def boxes(*rows: tuple[float, ...]) -> Boxes:
    return np.array(rows, np.float32).reshape(-1, 5)


class TestMerging:
    def test_one_face_at_two_scales_is_one(self) -> None:
        """The better score stays."""
        (face,) = merge(boxes((0, 0, 100, 100, 0.8), (5, 5, 104, 103, 0.9)))
        assert face.box == (5, 5, 104, 103)
        assert face.extent == (0, 0, 104, 103)

    def test_a_fragment_inside_a_face_is_no_second_face(self) -> None:
        """What a fine scale sees of a close-up is dropped."""
        assert len(merge(boxes((0, 0, 400, 400, 0.9), (100, 100, 180, 180, 0.7)))) == 1

    def test_a_much_larger_face_is_not_lost(self) -> None:
        """A fragment that scores higher than the close-up around it does not stand for it."""
        assert len(merge(boxes((0, 0, 400, 400, 0.7), (100, 100, 180, 180, 0.9)))) == 2

    def test_neighbours_stay(self) -> None:
        """Heads close together are two faces."""
        assert len(merge(boxes((0, 0, 100, 120, 0.9), (70, 0, 170, 120, 0.8)))) == 2

    def test_extent_of_clear_boxes(self) -> None:
        """What was seen only faintly does not make a cover larger."""
        (face,) = merge(boxes((0, 0, 100, 100, 0.9), (0, 0, 100, 140, 0.2), (0, 0, 100, 110, 0.6)), 0.5)
        assert face.extent == (0, 0, 100, 110)

    def test_what_may_be_no_face_hides_none(self) -> None:
        """A large box that a closer look may refuse leaves the small faces in it; a sure one does not."""
        unsure, sure, small = (0, 0, 400, 400, 0.6), (0, 0, 400, 400, 0.9), (100, 100, 124, 130, 0.3)
        assert len(merge(boxes(unsure, small), 0.5, 0.85)) == 2
        assert len(merge(boxes(sure, small), 0.5, 0.85)) == 1

    def test_nothing_found(self) -> None:
        """No boxes in, no boxes out."""
        assert len(merge(NO_BOXES)) == 0
