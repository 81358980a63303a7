"""Editing in DCT blocks: everything but the treated blocks stays bit-exact, and the photo comes out upright."""

import io
from pathlib import Path

import numpy as np
import piexif
import pytest
from PIL import Image, ImageOps

from loppestars_imaging.errors import UnreadablePhoto
from loppestars_imaging.pipeline import Anonymiser
from loppestars_jpeg.structure import read_structure


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        array = np.asarray(ImageOps.exif_transpose(image)).astype(np.int16)
    return array.reshape(array.shape[0], array.shape[1], -1)


def changed(before: bytes, after: bytes) -> np.ndarray:
    return np.abs(pixels(before) - pixels(after)).max(axis=2) > 0


def noise(width: int, height: int, *, mode: str = "RGB", **options: object) -> bytes:
    values = np.random.default_rng(7).integers(0, 256, (height // 8, width // 8, len(mode)), dtype=np.uint8)
    target = io.BytesIO()
    image = Image.fromarray(values.squeeze(), mode=None).resize((width, height), Image.Resampling.BICUBIC)
    image.save(target, "JPEG", **options)
    return target.getvalue()


class TestUntouchedBlocks:
    def test_a_photo_without_faces_is_not_changed(self, anonymiser: Anonymiser, photos: Path) -> None:
        """No generation loss: the pixels are those of the original."""
        data = (photos / "thumbor/no_face.jpg").read_bytes()
        done = anonymiser.anonymise(data)
        assert done.in_blocks
        assert done.faces == []
        assert not changed(data, done.data).any()


class TestUpright:
    def test_sizes_that_hold_no_whole_blocks_are_decoded_instead(self, anonymiser: Anonymiser) -> None:
        """Mirroring half a block is impossible in place: the fall-back keeps size and orientation right."""
        exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: 6}})
        data = noise(104, 72, subsampling="4:2:0", exif=exif, quality=95)
        done = anonymiser.anonymise(data)
        assert not done.in_blocks
        assert (done.width, done.height) == (72, 104)
        assert np.abs(pixels(data) - pixels(done.data)).mean() < 3

    def test_orientation_files_agree(self, anonymiser: Anonymiser, photos: Path) -> None:
        """The same photo stored in eight orientations comes out the same way up, with its face found."""
        for number in range(2, 9):
            done = anonymiser.anonymise((photos / f"pillow/hopper_orientation_{number}.jpg").read_bytes())
            assert len(done.faces) == 1
            assert 40 < done.faces[0].x + done.faces[0].width / 2 < 88
            assert done.faces[0].y < 40


class TestFallBack:
    def test_decoding_keeps_quality_and_subsampling(self, decoding_anonymiser: Anonymiser, photos: Path) -> None:
        """Where blocks cannot be edited, the original's own tables and sampling are used again."""
        data = (photos / "dlib/2008_002506.jpg").read_bytes()
        done = decoding_anonymiser.anonymise(data)
        assert not done.in_blocks
        before, after = read_structure(data), read_structure(done.data)
        assert before.sampling == after.sampling
        with Image.open(io.BytesIO(data)) as old, Image.open(io.BytesIO(done.data)) as new:
            assert old.quantization == new.quantization

    def test_both_ways_find_and_cover_the_same(
        self, anonymiser: Anonymiser, decoding_anonymiser: Anonymiser, photos: Path
    ) -> None:
        """The fall-back hides what the fast path hides."""
        data = (photos / "dlib/2008_002470.jpg").read_bytes()
        fast, slow = anonymiser.anonymise(data), decoding_anonymiser.anonymise(data)
        assert len(fast.faces) == len(slow.faces) == 6


class TestDamage:
    """What libjpeg fills in silently, or says only after something harmless, never becomes a result."""

    def test_damage_after_something_harmless(self, either_way: Anonymiser) -> None:
        """Stray bytes between segments are only the first of libjpeg's warnings; the cut scan is the second."""
        data = noise(256, 256, quality=90)
        table = data.index(b"\xff\xc4")
        stray = data[:table] + b"\0" * 5 + data[table:]
        assert either_way.anonymise(stray).width == 256
        cut = stray[: len(stray) // 2] + b"\xff\xd9"
        with pytest.raises(UnreadablePhoto, match="truncated or damaged"):
            either_way.anonymise(cut)

    def test_a_photo_whose_colours_never_come(self, either_way: Anonymiser) -> None:
        """One scan of three: libjpeg shows gray without a word. Found by the fuzzer."""
        seed = Path(__file__).parent / "seeds" / "one-scan-of-three.jpg"
        with pytest.raises(UnreadablePhoto):
            either_way.anonymise(seed.read_bytes())
