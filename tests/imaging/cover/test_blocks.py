"""Covers in the blocks of a JPEG: every other block stays bit-exact, and nothing of a face is left."""

import io

import numpy as np
import pytest
from PIL import Image

from loppestars_imaging.cover.area import EDGE, Area, Window, distances, offsets
from loppestars_imaging.cover.blocks import cover_blocks
from loppestars_imaging.cover.pixels import cover
from loppestars_imaging.cover.plan import Look
from loppestars_imaging.options import Style
from loppestars_jpeg.library import load_library
from loppestars_jpeg.photo import CoefficientPhoto
from loppestars_jpeg.structure import read_structure
from loppestars_jpeg.turning import turn_upright

AREA = Area(150, 116, 38, 45)


def noise(columns: int = 320, rows: int = 240, seed: int = 7) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 256, (rows // 8, columns // 8, 3), dtype=np.uint8)
    return np.array(Image.fromarray(values).resize((columns, rows), Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray, subsampling: str = "4:2:0", quality: int = 95, **options: object) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", subsampling=subsampling, quality=quality, **options)
    return target.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)


def covered(data: bytes, areas: list[Area], look: Look | None = None) -> bytes:
    library = load_library()
    assert library is not None
    with CoefficientPhoto(library, data, read_structure(data)) as photo:
        photo.look(8)
        turn_upright(photo)
        cover_blocks(photo, areas, look or Look())
        return photo.write()


def far(area: Area, shape: tuple[int, ...]) -> np.ndarray:
    dx, dy = offsets(Window(0, 0, shape[1], shape[0]), area)
    return distances(dx[None, :], dy[:, None], area.shape)


class TestBlocks:
    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
    @pytest.mark.parametrize("style", list(Style))
    def test_the_rest_stays(self, subsampling: str, style: Style) -> None:
        """Further than one block and one interpolated pixel from the soft edge, no value differs."""
        data = jpeg(noise(), subsampling)
        changed = (pixels_of(data) != pixels_of(covered(data, [AREA], Look(style)))).any(axis=2)
        rows, columns = np.nonzero(changed)
        rx, ry = AREA.outer
        assert changed[far(AREA, changed.shape) < 0.9].mean() > 0.95
        assert columns.min() >= AREA.x - rx - 17
        assert columns.max() <= AREA.x + rx + 17
        assert rows.min() >= AREA.y - ry - 17
        assert rows.max() <= AREA.y + ry + 17

    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
    @pytest.mark.parametrize("area", [AREA, Area(150, 116, 11, 13), Area(160, 120, 90, 100)])
    def test_nothing_of_the_inside(self, area: Area, subsampling: str) -> None:
        """Two photos that differ only well within a cover look the same there afterwards."""
        one, other = noise(), noise()
        within = far(area, one.shape) < 0.9
        other[within] = 255 - other[within]
        results = [pixels_of(covered(jpeg(pixels, subsampling, 100), [area])) for pixels in (one, other)]
        assert np.abs(results[0] - results[1])[far(area, one.shape) < 0.8].max() <= 3

    @pytest.mark.parametrize("style", list(Style))
    @pytest.mark.parametrize("area", [AREA, Area(150, 116, 14, 17), Area(160, 120, 90, 100)])
    def test_same_look_as_in_pixels(self, style: Style, area: Area) -> None:
        """A JPEG's cover is that of every other format, to within what its quantisation rounds."""
        data = jpeg(noise(), "4:4:4", 98)
        decoded = pixels_of(data).astype(np.uint8)
        cover(decoded, [area], Look(style, cell=16))
        inside = far(area, decoded.shape) < 0.9
        difference = np.abs(pixels_of(covered(data, [area], Look(style, cell=16))) - decoded)[inside]
        assert difference.mean() < 3

    def test_all_kinds(self) -> None:
        """Gray, progressive, and sides that hold no whole blocks."""
        gray = io.BytesIO()
        Image.fromarray(noise()[:, :, 0]).save(gray, "JPEG", quality=90)
        for data in (gray.getvalue(), jpeg(noise(), progressive=True), jpeg(noise()[:235, :315])):
            after = covered(data, [AREA, Area(310, 230, 30, 30), Area(900, 900, 10, 10)])
            assert (pixels_of(data) != pixels_of(after)).any(axis=2)[
                far(AREA, pixels_of(data).shape) < 0.8
            ].mean() > 0.9

    def test_neighbours(self) -> None:
        """Covers that overlap leave nothing of either face."""
        areas = [AREA, Area(205, 120, 36, 42)]
        one, other = noise(), noise()
        for area in areas:
            within = far(area, one.shape) < 0.9
            other[within] = 255 - other[within]
        results = [pixels_of(covered(jpeg(pixels, "4:4:4", 100), areas)) for pixels in (one, other)]
        for area in areas:
            assert np.abs(results[0] - results[1])[far(area, one.shape) < 0.8].max() <= 3

    def test_no_seam(self) -> None:
        """On a smooth photo the mean colour differs by less than two levels across the edge."""
        rows, columns = np.mgrid[0:240, 0:320]
        pixels = np.stack([columns * 0.7, rows + 10, 255 - rows], axis=2).astype(np.uint8)
        data, distance = jpeg(pixels, quality=90), far(AREA, pixels.shape)
        before, after = pixels_of(data), pixels_of(covered(data, [AREA]))
        within, beyond = (distance > 0.9) & (distance < 1), (distance >= EDGE) & (distance < EDGE + 0.1)
        expected = before[within].mean(axis=0) - before[beyond].mean(axis=0)
        assert np.abs(after[within].mean(axis=0) - after[beyond].mean(axis=0) - expected).max() < 2
