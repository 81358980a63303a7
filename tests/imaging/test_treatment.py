"""How strongly a face is covered, and that nothing weakens it."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from loppestars_imaging.cover.pixels import cover
from loppestars_imaging.cover.treatment import FLOOR, Treatment, plan
from loppestars_imaging.faces import Face
from loppestars_imaging.options import Options, Shape, Style

FACE = Face(40, 30, 80, 100, 0.9)


def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (180, 200, 3), dtype=np.uint8)


def treated(**options: object) -> Treatment:
    return plan([FACE], Options(**options))[0]  # type: ignore[arg-type]


class TestFloor:
    @pytest.mark.parametrize("style", list(Style))
    def test_no_style_shows_more_than_five_cells(self, style: Style) -> None:
        """The measured limit of what hides a face."""
        assert 1 <= FLOOR[style].cells <= 5
        assert FLOOR[style].margin >= 0.2

    @pytest.mark.parametrize("pixels", [0, 5, 10, 20, 30, 50, 500])
    def test_a_request_never_makes_cells_finer(self, pixels: int) -> None:
        """`pixelateSize` coarsens large cells and is ignored where it would refine."""
        assert treated(cell_pixels=pixels).cells <= treated().cells

    def test_a_large_cell_size_coarsens(self) -> None:
        """Cells of fifty pixels over a face of a hundred leave at most two."""
        assert treated(cell_pixels=50).cells == 2

    def test_steps_only_get_stronger(self) -> None:
        """Fewer cells, wider, at last one flat colour in a box that grows."""
        chain = [treated()]
        for _ in range(5):
            chain.append(chain[-1].stronger())
        assert (chain[-1].strength.style, chain[-1].shape) == (Style.SOLID, Shape.BOX)
        assert chain[-1].radii > chain[-2].radii
        for weaker, stronger in pairwise(chain):
            assert stronger.cells <= weaker.cells
            assert stronger.strength.margin >= weaker.strength.margin
            assert stronger.strength.fade >= weaker.strength.fade


class TestPixels:
    @pytest.mark.parametrize("shape", list(Shape))
    @pytest.mark.parametrize("style", list(Style))
    def test_the_face_is_gone_and_the_rest_is_not(self, style: Style, shape: Shape) -> None:
        """Inside, almost no detail; outside, the same bytes."""
        before = picture()
        after = before.copy()
        treatment = treated(style=style, shape=shape)
        cover(after, [treatment])
        (cx, cy), (rx, ry) = treatment.center, treatment.radii
        inside = after[int(cy - ry * 0.6) : int(cy + ry * 0.6), int(cx - rx * 0.6) : int(cx + rx * 0.6)]
        assert inside.astype(int).std() < 12
        outside = np.ones(before.shape[:2], np.bool_)
        outside[int(cy - ry) - 1 : int(cy + ry) + 2, int(cx - rx) - 1 : int(cx + rx) + 2] = False
        assert np.array_equal(before[outside], after[outside])

    def test_a_mosaic_has_as_many_colours_as_cells(self) -> None:
        """Each cell is one average, so nothing finer can be recovered."""
        after = picture()
        treatment = treated(shape=Shape.BOX)
        cover(after, [treatment])
        (cx, cy), (rx, ry) = treatment.center, treatment.radii
        inside = after[int(cy - ry) + 1 : int(cy + ry) - 1, int(cx - rx) + 1 : int(cx + rx) - 1]
        assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= treatment.cells**2

    def test_smooth_has_no_more_information_than_its_mosaic(self) -> None:
        """The same averages give the same result, whatever the pixels below were."""
        one = np.full((180, 200, 3), 90, np.uint8)
        other = one.copy()
        other[::2, ::2], other[1::2, 1::2] = 80, 100
        treatment = treated(style=Style.SMOOTH)
        cover(one, [treatment])
        cover(other, [treatment])
        assert np.abs(one.astype(int) - other)[80:90, 70:90].max() <= 1

    @pytest.mark.parametrize(
        "face",
        [Face(-50, -50, 80, 90, 0.9), Face(180, 160, 90, 90, 0.9), Face(900, 900, 10, 10, 0.9), Face(5, 5, 1, 1, 0.9)],
    )
    def test_faces_over_the_edge(self, face: Face) -> None:
        """Boxes that reach over or lie outside the photo are no error."""
        cover(picture(), plan([face], Options()))

    def test_gray_and_deep_pixels(self) -> None:
        """One channel, and sixteen bits, are covered alike."""
        for pixels in (picture()[:, :, :1].copy(), picture().astype(np.uint16) * 257):
            before = pixels.copy()
            cover(pixels, [treated()])
            assert not np.array_equal(before, pixels)
            assert pixels.dtype == before.dtype

    def test_overlapping_areas_average_the_original(self) -> None:
        """The second area is not computed from pixels that the first has covered."""
        pixels = picture()
        pair = plan([FACE, Face(60, 40, 80, 100, 0.8)], Options(shape=Shape.BOX))
        cover(pixels, pair)
        alone = picture()
        cover(alone, pair[1:])
        assert np.array_equal(pixels[100:130, 100:130], alone[100:130, 100:130])


def test_a_picture_can_be_saved_after_covering() -> None:
    """Covered pixels are ordinary pixels."""
    pixels = picture()
    cover(pixels, [treated()])
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    assert target.getvalue()
