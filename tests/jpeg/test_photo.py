"""JPEGs edited in their blocks: what is not edited stays bit-exact, and turning loses nothing."""

import io

import numpy as np
import piexif
import pytest
from PIL import Image, ImageOps

from loppestars_jpeg.errors import LibjpegGaveUp
from loppestars_jpeg.library import Library, load_library
from loppestars_jpeg.photo import CoefficientPhoto
from loppestars_jpeg.structure import read_structure
from loppestars_jpeg.turning import turn_upright


@pytest.fixture(scope="module")
def library() -> Library:
    """libjpeg-turbo, which the wheel of Pillow carries."""
    found = load_library()
    assert found is not None
    return found


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        array = np.asarray(ImageOps.exif_transpose(image)).astype(np.int16)
    return array.reshape(array.shape[0], array.shape[1], -1)


def noise(width: int, height: int, **options: object) -> bytes:
    values = np.random.default_rng(7).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC).save(target, "JPEG", **options)
    return target.getvalue()


def rewritten(library: Library, data: bytes) -> bytes:
    with CoefficientPhoto(library, data, read_structure(data)) as photo:
        photo.look(2)
        turn_upright(photo)
        return photo.write()


class TestWriting:
    @pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
    @pytest.mark.parametrize("progressive", [False, True])
    def test_no_pixel_changes(self, library: Library, subsampling: str, *, progressive: bool) -> None:
        """What nobody edits comes back bit by bit, in passes where it came in passes."""
        data = noise(320, 240, subsampling=subsampling, progressive=progressive)
        result = rewritten(library, data)
        assert np.array_equal(pixels(data), pixels(result))
        assert read_structure(result).progressive == progressive

    def test_edited_block(self, library: Library) -> None:
        """One block of luma set to gray changes its 8 x 8 pixels and no other."""
        data = noise(64, 64, subsampling="4:4:4")
        with CoefficientPhoto(library, data, read_structure(data)) as photo:
            photo.look(2)
            photo.targets[0].blocks[2, 3] = 0
            result = photo.write()
        changed = np.abs(pixels(data) - pixels(result)).max(axis=2) > 0
        assert changed[16:24, 24:32].mean() > 0.9
        changed[16:24, 24:32] = False
        assert not changed.any()

    def test_only_the_given_profile(self, library: Library) -> None:
        """The original's metadata is gone; a colour profile is written where one is given."""
        data = noise(64, 64, icc_profile=b"private", comment=b"private", exif=piexif.dump({"0th": {271: b"private"}}))
        with CoefficientPhoto(library, data, read_structure(data)) as photo:
            photo.look(2)
            result = photo.write(b"profile" * 20_000)
        assert b"private" not in result
        with Image.open(io.BytesIO(result)) as image:
            assert image.info["icc_profile"] == b"profile" * 20_000


class TestTurning:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_all_orientations(self, library: Library, orientation: int) -> None:
        """Turned in its blocks: exactly the pixels that a viewer that honours EXIF shows, and no EXIF left."""
        exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}})
        data = noise(96, 64, subsampling="4:2:0", exif=exif)
        result = rewritten(library, data)
        with Image.open(io.BytesIO(result)) as image:
            assert image.getexif().get(0x0112) is None
        # Averages of turned blocks round differently by at most a few levels in the inverse DCT.
        assert np.abs(pixels(data) - pixels(result)).max() <= 4
        assert np.abs(pixels(data) - pixels(result)).mean() < 0.2


class TestLibrary:
    def test_fatal_error_is_an_exception(self, library: Library) -> None:
        """Libjpeg's error exit does not end the process."""
        data = noise(64, 64)
        broken = data.replace(b"\xff\xc4", b"\xff\xc9", 1)
        structure = read_structure(data)
        with pytest.raises(LibjpegGaveUp), CoefficientPhoto(library, broken, structure) as photo:
            photo.look(8)
