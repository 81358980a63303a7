"""Covers in decoded pixels: nothing of a face is left, and nothing else changes."""

import io

import numpy as np
import pytest
from PIL import Image

from loppestars_imaging.cover.area import EDGE, Area, Window, distances, offsets
from loppestars_imaging.cover.pixels import cover
from loppestars_imaging.cover.plan import Look, areas_over
from loppestars_imaging.faces import Face
from loppestars_imaging.options import Options, Shape, Style

AREA = Area(100, 90, 40, 50)
NEIGHBOUR = Area(160, 95, 35, 45)


def picture(rows: int = 180, columns: int = 240) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def far(area: Area, shape: tuple[int, ...]) -> np.ndarray:
    """The distance of each pixel's nearest corner from an area's centre, in radii."""
    dx, dy = offsets(Window(0, 0, shape[1], shape[0]), area)
    return distances(dx[None, :], dy[:, None], area.shape)


def covered(pixels: np.ndarray, areas: list[Area], look: Look | None = None) -> np.ndarray:
    result = pixels.copy()
    cover(result, areas, look or Look())
    return result


class TestCover:
    @pytest.mark.parametrize("shape", list(Shape))
    @pytest.mark.parametrize("style", list(Style))
    def test_nothing_of_the_inside(self, style: Style, shape: Shape) -> None:
        """Whatever was under a cover or its soft edge, what is under it afterwards is the same."""
        area, before = Area(100, 90, 40, 50, shape), picture()
        other = before.copy()
        under = far(area, before.shape) < EDGE
        other[under] = 255 - other[under]
        inside = far(area, before.shape) < 1
        assert np.array_equal(covered(before, [area], Look(style))[inside], covered(other, [area], Look(style))[inside])

    @pytest.mark.parametrize("style", list(Style))
    def test_nothing_of_the_neighbours(self, style: Style) -> None:
        """A cover beside others takes no colour from the faces that those hide."""
        before, areas = picture(), [AREA, NEIGHBOUR, Area(60, 40, 20, 22)]
        other = before.copy()
        for area in areas:
            under = far(area, before.shape) < EDGE
            other[under] = 255 - other[under]
        one, two = covered(before, areas, Look(style)), covered(other, areas, Look(style))
        for area in areas:
            inside = far(area, before.shape) < 1
            assert np.array_equal(one[inside], two[inside])

    @pytest.mark.parametrize("shape", list(Shape))
    def test_the_rest_stays(self, shape: Shape) -> None:
        """Beyond the soft edge not a single value differs."""
        area, before = Area(100, 90, 40, 50, shape), picture()
        outside = far(area, before.shape) >= EDGE
        assert np.array_equal(before[outside], covered(before, [area])[outside])

    def test_no_seam(self) -> None:
        """On a smooth photo the mean colour differs by less than two levels across the edge."""
        rows, columns = np.mgrid[0:180, 0:240]
        before = np.stack([columns, rows + 40, 255 - rows], axis=2).astype(np.uint8)
        distance = far(AREA, before.shape)
        after = covered(before, [AREA]).astype(float)
        within, beyond = (distance > 0.9) & (distance < 1), (distance >= EDGE) & (distance < EDGE + 0.1)
        expected = before[within].mean(axis=0) - before[beyond].astype(float).mean(axis=0)
        assert np.abs(after[within].mean(axis=0) - after[beyond].mean(axis=0) - expected).max() < 2

    def test_whole_picture(self) -> None:
        """A face that leaves nothing to read from becomes neutral gray."""
        after = covered(picture(), [Area(120, 90, 400, 400)])
        assert np.unique(after).tolist() == [128]

    def test_crowd(self) -> None:
        """A face between others is filled from beyond them."""
        before = np.full((300, 300, 3), (20, 120, 220), np.uint8)
        areas = [Area(150 + 60 * x, 150 + 60 * y, 40, 40) for x in (-1, 0, 1) for y in (-1, 0, 1)]
        after = covered(before, areas)
        assert np.abs(after[150, 150].astype(int) - (20, 120, 220)).max() <= 1

    @pytest.mark.parametrize(
        "face",
        [Face(-50, -50, 80, 90, 0.9), Face(180, 160, 90, 90, 0.9), Face(900, 900, 10, 10, 0.9), Face(5, 5, 1, 1, 0.9)],
    )
    @pytest.mark.parametrize("style", list(Style))
    def test_over_the_edge(self, face: Face, style: Style) -> None:
        """Boxes that reach over or lie outside the photo are no error."""
        covered(picture(), areas_over([face], Options()), Look(style))

    @pytest.mark.parametrize("size", [(1, 1), (2, 940), (940, 2), (7, 9)])
    def test_tiny_pictures(self, size: tuple[int, int]) -> None:
        """A face over a picture of few pixels is covered too."""
        covered(picture(*size), [Area(size[1] / 2, size[0] / 2, 30, 30), Area(0, 0, 4, 4)])

    def test_gray_deep_and_transparent(self) -> None:
        """One channel, sixteen bits and transparency are covered alike; what is covered is opaque."""
        for pixels in (picture()[:, :, :1].copy(), picture().astype(np.uint16) * 257):
            after = covered(pixels, [AREA])
            assert not np.array_equal(pixels, after)
            assert after.dtype == pixels.dtype
        clear = np.dstack([picture(), np.zeros((180, 240), np.uint8)])
        cover(clear, [AREA], Look(), has_alpha=True)
        assert (clear[:, :, 3][far(AREA, clear.shape) < 1] == 255).all()
        assert (clear[:, :, 3][far(AREA, clear.shape) > EDGE] == 0).all()

    def test_saved(self) -> None:
        """Covered pixels are ordinary pixels."""
        target = io.BytesIO()
        Image.fromarray(covered(picture(), [AREA])).save(target, "PNG")
        assert target.getvalue()


class TestLook:
    def test_cells_show(self) -> None:
        """Every size that the API takes looks different, over small and large faces."""
        for area in (Area(60, 60, 18, 22), Area(120, 90, 60, 75)):
            results = [covered(picture(), [area], Look(Style.MOSAIC, cell=size)).tobytes() for size in (5, 12, 20, 50)]
            assert len(set(results)) == 4

    def test_cells_are_flat(self) -> None:
        """A cell has one colour."""
        after = covered(picture(), [AREA], Look(Style.MOSAIC, cell=20))
        assert np.ptp(after[81:99, 91:109].reshape(-1, 3), axis=0).max() == 0
        assert np.ptp(after[81:99, 91:115].reshape(-1, 3), axis=0).max() > 0

    def test_softness_shows(self) -> None:
        """The softer, the less detail."""
        inside = far(AREA, (180, 240)) < 1
        detail = [
            covered(picture(), [AREA], Look(softness=softness))[inside].astype(float).std()
            for softness in (0.01, 0.3, 1.0)
        ]
        assert detail[0] > detail[1] > detail[2]
