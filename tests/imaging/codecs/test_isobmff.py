"""AVIF and HEIF show what their boxes say: what the owner cropped away is not published, and turns are applied."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from loppestars_imaging.codecs.isobmff import Properties, primary_properties
from loppestars_imaging.errors import TooManyPixels
from loppestars_imaging.inspect import Limits
from loppestars_imaging.pipeline import Anonymiser

CORNERS = ((200, 40, 40), (40, 180, 60), (50, 60, 200), (220, 210, 60))
"""Top left, top right, bottom left, bottom right."""


def quarters(width: int = 128, height: int = 96) -> Image.Image:
    rows = np.array(CORNERS, np.uint8).reshape(2, 2, 3)
    return Image.fromarray(rows).resize((width, height), Image.Resampling.NEAREST)


def saved(kind: str) -> bytes:
    target = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(quarters()).save(target, quality=95)
    else:
        quarters().save(target, "AVIF", quality=95)
    return target.getvalue()


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + size]))
        at += size
    return found


def with_properties(data: bytes, *added: bytes) -> bytes:
    """Return the file with these properties on its primary image."""
    top = boxes(data)
    meta = dict(top)[b"meta"]
    growth = 0
    for _ in range(2):  # offsets are known once the boxes have their sizes
        rebuilt = meta[:4] + b"".join(box(kind, _changed(kind, body, added, growth)) for kind, body in boxes(meta[4:]))
        growth = len(rebuilt) - len(meta)
    return b"".join(box(kind, rebuilt if kind == b"meta" else body) for kind, body in top)


def _changed(kind: bytes, body: bytes, added: tuple[bytes, ...], growth: int) -> bytes:
    if kind == b"iloc":
        return _moved(body, growth)
    if kind != b"iprp":
        return body
    inner = dict(boxes(body))
    stored = len(boxes(inner[b"ipco"]))
    ipma = inner[b"ipma"]
    assert ipma[0] == 0
    number = ipma[10]
    own = bytes(0x80 | stored + 1 + i for i in range(len(added)))
    ipma = ipma[:10] + bytes((number + len(added),)) + ipma[11 : 11 + number] + own + ipma[11 + number :]
    return box(b"ipco", inner[b"ipco"] + b"".join(added)) + box(b"ipma", ipma)


def _moved(body: bytes, growth: int) -> bytes:
    """Add to the offsets of an iloc of versions 0 and 1 with offsets of four bytes."""
    version, sizes, changed = body[0], body[4:6], bytearray(body)
    assert sizes[0] == 0x44
    assert sizes[1] & 0xF0 in {0, 0x40}
    base = 4 if sizes[1] & 0xF0 else 0
    (count,) = struct.unpack_from(">H", body, 6)
    at = 8
    for _ in range(count):
        at += 2 + (2 if version else 0) + 2
        moved_base = base and struct.unpack_from(">I", body, at)[0]
        if moved_base:
            struct.pack_into(">I", changed, at, moved_base + growth)
        at += base
        (extents,) = struct.unpack_from(">H", body, at)
        at += 2
        for _ in range(extents):
            (offset,) = struct.unpack_from(">I", body, at)
            if not moved_base:
                struct.pack_into(">I", changed, at, offset + growth)
            at += 8
    return bytes(changed)


def clap(width: int, height: int, x: int, y: int) -> bytes:
    """A clean aperture whose centre is moved by x and y pixels."""
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, x, 1, y, 1))


def colours(data: bytes) -> tuple[tuple[int, int], list[tuple[int, int, int]]]:
    """Size, and the corner that each quarter's centre is nearest to."""
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
        width, height = picture.size
        seen = [picture.getpixel((x, y)) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    nearest = [min(CORNERS, key=lambda corner: sum(abs(a - b) for a, b in zip(corner, at, strict=True))) for at in seen]
    return (width, height), nearest


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
class TestPublishedPart:
    @pytest.mark.parametrize(
        ("aperture", "size", "corner"),
        [((64, 48, -32, -24), (64, 48), 0), ((64, 48, 32, 24), (64, 48), 3), ((40, 30, 32, -24), (40, 30), 1)],
    )
    def test_crop(
        self, anonymiser: Anonymiser, kind: str, aperture: tuple[int, ...], size: tuple[int, int], corner: int
    ) -> None:
        """Only the quarter that the owner kept is there."""
        done = anonymiser.anonymise(with_properties(saved(kind), clap(*aperture)))
        assert (done.width, done.height, done.scale) == (*size, 1.0)
        assert colours(done.data) == (size, [CORNERS[corner]] * 4)

    def test_crop_hides_no_size(self, anonymiser: Anonymiser, kind: str) -> None:
        """What is decoded counts against the limit of pixels, and not only what is shown."""
        small = Anonymiser(anonymiser.search.detector, limits=Limits(max_pixels=10_000))
        with pytest.raises(TooManyPixels, match="128 x 96"):
            small.anonymise(with_properties(saved(kind), clap(64, 48, 0, 0)))

    def test_crop_and_turn(self, anonymiser: Anonymiser, kind: str) -> None:
        """Cropped first, then turned: the upper half, on its side."""
        turned = with_properties(saved(kind), clap(128, 48, 0, -24), box(b"irot", b"\1"))
        done = anonymiser.anonymise(turned)
        assert colours(done.data) == ((48, 128), [CORNERS[1], CORNERS[1], CORNERS[0], CORNERS[0]])

    def test_mirror(self, anonymiser: Anonymiser, kind: str) -> None:
        """Left is right."""
        done = anonymiser.anonymise(with_properties(saved(kind), box(b"imir", b"\1")))
        assert colours(done.data)[1] == [CORNERS[1], CORNERS[0], CORNERS[3], CORNERS[2]]


class TestReading:
    @pytest.mark.parametrize("share", range(1, 16))
    def test_cut(self, share: int) -> None:
        """Half a file has properties or none, and raises nothing."""
        data = with_properties(saved("AVIF"), clap(64, 48, 0, 0))
        primary_properties(data[: len(data) * share // 16])

    @pytest.mark.parametrize(
        "aperture", [(0, 1, 48, 1, 0, 1, 0, 1), (64, 0, 48, 1, 0, 1, 0, 1), (129, 1, 48, 1, 0, 1, 0, 1)]
    )
    def test_senseless_crop(self, aperture: tuple[int, ...]) -> None:
        """A crop of nothing, or of more than there is, is none, as in viewers."""
        assert Properties(aperture=aperture).crop(128, 96) is None
