"""Which area covers a face."""

import pytest

from loppestars_imaging.cover.area import Area
from loppestars_imaging.cover.plan import areas_over, look_of
from loppestars_imaging.faces import Face
from loppestars_imaging.options import Options, Shape, Style


def holds(area: Area, face: Face) -> bool:
    """Tell whether the box around an area holds the box of a face."""
    left, top, right, bottom = area.x - area.rx, area.y - area.ry, area.x + area.rx, area.y + area.ry
    return left <= face.x and top <= face.y and right >= face.x + face.width and bottom >= face.y + face.height


class TestAreas:
    def test_margin(self) -> None:
        """An area is a quarter wider than the detected box, around the same centre."""
        (area,) = areas_over([Face(40, 30, 80, 100, 0.9)], Options(shape=Shape.BOX))
        assert (area.x, area.y, area.shape) == (80, 80, Shape.BOX)
        assert area.rx > 40 * 1.2
        assert area.ry > 50 * 1.2

    def test_part_that_sticks_out(self) -> None:
        """Where another scale saw a chin below the box, the area reaches over it."""
        face = Face(114, 144, 59, 63, 0.94, extent=(104, 143, 176, 244))
        (area,) = areas_over([face], Options())
        assert holds(area, face)
        assert area.y + area.ry >= 244
        assert area.x - area.rx <= 104

    def test_extent_within_the_margin(self) -> None:
        """What other scales saw a little differently changes nothing."""
        plain, seen = Face(40, 30, 80, 100, 0.9), Face(40, 30, 80, 100, 0.9, extent=(38, 28, 122, 133))
        (one,), (other,) = areas_over([plain], Options()), areas_over([seen], Options())
        assert (one.x, one.y, one.rx, one.ry) == pytest.approx((other.x, other.y, other.rx, other.ry))

    def test_two_boxes_on_one_head(self) -> None:
        """A box mostly inside another's area shares its cover."""
        areas = areas_over([Face(358, 163, 84, 93, 0.94), Face(365, 138, 79, 69, 0.82)], Options())
        assert len(areas) == 1
        assert areas[0].y - areas[0].ry < 138

    def test_neighbours_stay_apart(self) -> None:
        """People who stand close together keep covers of their own."""
        assert len(areas_over([Face(0, 0, 40, 50, 0.9), Face(42, 5, 40, 50, 0.9)], Options())) == 2


class TestLook:
    def test_request(self) -> None:
        """Style, size of the cells and softness are the request's."""
        look = look_of(Options(style=Style.MOSAIC, cell_pixels=12, blur_strength=99))
        assert (look.style, look.cell, look.softness) == (Style.MOSAIC, 12, 1)

    def test_cells_by_the_face(self) -> None:
        """Without a wish, cells are sized by the face."""
        (area,) = areas_over([Face(0, 0, 100, 100, 0.9)], Options())
        assert look_of(Options(cell_pixels=0)).cell_over(area) == area.rx / 3
