"""Smaller copies: made from what is published, small, upright, without metadata, in its colours."""

import io

import numpy as np
import pytest
from PIL import Image

from loppestars_imaging.codecs.colour.icc import canonical_profile
from loppestars_imaging.codecs.colour.spaces import KNOWN
from loppestars_imaging.copies import smaller_copies
from loppestars_imaging.inspect import Format
from loppestars_imaging.pipeline import Anonymised


def result(image: Image.Image, kind: Format = Format.JPEG, **options: object) -> Anonymised:
    target = io.BytesIO()
    image.save(target, kind.upper(), **options)
    return Anonymised(target.getvalue(), kind, *image.size, [])


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((4000, 3000), {"screen": (1280, 960), "thumbnail": (400, 300)}),
            ((900, 1200), {"thumbnail": (300, 400)}),
            ((120, 80), {"thumbnail": (120, 80)}),
            ((8000, 10), {"screen": (1280, 2), "thumbnail": (400, 1)}),
        ],
    )
    def test_longest_side(self, size: tuple[int, int], expected: dict[str, tuple[int, int]]) -> None:
        """At most 400 and 1,280 pixels, never enlarged; a photo that a screen shows whole has no copy for screens."""
        copies = {copy.kind: copy for copy in smaller_copies(result(Image.new("RGB", size, "teal")))}
        assert {kind: opened(copy.data).size for kind, copy in copies.items()} == expected
        assert {kind: (copy.width, copy.height) for kind, copy in copies.items()} == expected

    def test_bytes(self) -> None:
        """A thumbnail of noise, the worst there is, stays small."""
        noise = np.random.default_rng(3).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
        (thumbnail,) = [copy for copy in smaller_copies(result(Image.fromarray(noise))) if copy.kind == "thumbnail"]
        assert len(thumbnail.data) < 100_000


class TestContent:
    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    def test_jpeg(self, mode: str) -> None:
        """Every kind of JPEG, with its profile and nothing else."""
        profile = canonical_profile(KNOWN[1])
        made = result(Image.new(mode, (1600, 1200)), icc_profile=profile, comment=b"private")
        for copy in smaller_copies(made):
            assert opened(copy.data).info["icc_profile"] == profile
            assert b"private" not in copy.data

    @pytest.mark.parametrize(("mode", "kind"), [("RGBA", Format.PNG), ("P", Format.PNG), ("RGBA", Format.WEBP)])
    def test_transparent(self, mode: str, kind: Format) -> None:
        """Shown over white, as a page would."""
        image = Image.new("RGBA", (600, 600), (10, 20, 30, 0)).convert(mode)
        (thumbnail,) = smaller_copies(result(image, kind))
        expected = (255, 255, 255) if mode == "RGBA" else opened(thumbnail.data).getpixel((5, 5))
        assert opened(thumbnail.data).getpixel((5, 5)) == expected

    def test_sixteen_bits(self) -> None:
        """Deep gray keeps its shade."""
        deep = Image.fromarray(np.full((500, 500), 0x8000, np.uint16))
        (thumbnail,) = smaller_copies(result(deep, Format.PNG))
        assert abs(opened(thumbnail.data).getpixel((5, 5)) - 128) <= 1
