"""Reads the markers of a JPEG file up to its first scan, without decoding anything."""

import contextlib
import re
import struct
import warnings
from dataclasses import dataclass, field
from typing import Final

from PIL import Image

from loppestars_jpeg.errors import JpegDamaged
from loppestars_jpeg.orientation import Turn, turn_of

_ICC_MARK: Final = b"ICC_PROFILE\0"
_EXIF_MARK: Final = b"Exif\0\0"
_ORIENTATION_TAG: Final = 0x0112
_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MARKER: Final = re.compile(rb"\xff[\x01-\xfe]")  # any number of FF before it is padding, and FF 00 is no marker
_MAX_MARKERS: Final = 100_000  # a photo has some dozens, with the largest profile some hundreds
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_EDITABLE_FRAMES: Final = {0xC0, 0xC1, 0xC2}


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling factors of one component."""

    horizontal: int
    vertical: int


@dataclass(frozen=True, slots=True)
class JpegStructure:
    """What the markers say."""

    width: int
    height: int
    frame: int
    precision: int
    sampling: tuple[Sampling, ...]
    turn: Turn
    icc: bytes | None
    adobe: bool

    @property
    def progressive(self) -> bool:
        """True for files that come in several passes (SOF2)."""
        return self.frame == 0xC2  # noqa: PLR2004 - SOF2, see ITU-T T.81 table B.1

    @property
    def editable(self) -> bool:
        """True when blocks can be edited in place: Huffman-coded 8-bit DCT with whole sampling ratios."""
        if self.frame not in _EDITABLE_FRAMES or len(self.sampling) not in {1, 3, 4}:
            return False
        if self.precision != 8:  # noqa: PLR2004 - bits
            return False
        widest = max(s.horizontal for s in self.sampling)
        tallest = max(s.vertical for s in self.sampling)
        return all(widest % s.horizontal == 0 and tallest % s.vertical == 0 for s in self.sampling)


@dataclass(slots=True)
class _Found:
    exif: bytes | None = None
    icc: dict[int, bytes] = field(default_factory=dict)
    icc_total: int = 0
    adobe: bool = False
    frame: tuple[int, bytes] | None = None

    def note(self, marker: int, body: bytes) -> None:
        if marker in _START_OF_FRAME:
            if self.frame is not None:
                raise JpegDamaged("the JPEG has two frame headers")
            self.frame = (marker, body)
        elif marker == 0xE1 and body.startswith(_EXIF_MARK) and self.exif is None:  # noqa: PLR2004 - APP1
            self.exif = body
        elif marker == 0xE2 and body.startswith(_ICC_MARK) and len(body) > len(_ICC_MARK) + 2:  # noqa: PLR2004 - APP2
            self.icc.setdefault(body[12], body[14:])
            self.icc_total = body[13]
        elif marker == 0xEE and body.startswith(b"Adobe"):  # noqa: PLR2004 - APP14
            self.adobe = True

    def turn(self) -> Turn:
        """Return the orientation of the EXIF block; one that cannot be read says nothing, as in every viewer."""
        orientation: object = 1
        if self.exif is not None:
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader = Image.Exif()
                reader.load(self.exif)
                orientation = reader.get(_ORIENTATION_TAG, 1)
        return turn_of(orientation)

    def icc_profile(self) -> bytes | None:
        if not self.icc or set(self.icc) != set(range(1, self.icc_total + 1)):
            return None
        return b"".join(self.icc[number] for number in sorted(self.icc))


def read_structure(data: bytes) -> JpegStructure:
    """Parse the markers of `data`, which starts with FF D8; raise JpegDamaged."""
    found = _walk(data)
    if found.frame is None:
        raise JpegDamaged("the JPEG has no frame header")
    marker, body = found.frame
    if len(body) < 6:  # noqa: PLR2004 - precision, height, width, number of components
        raise JpegDamaged("the JPEG frame header is cut short")
    precision, height, width, count = struct.unpack(">BHHB", body[:6])
    parts = body[6 : 6 + 3 * count]
    sampling = tuple(Sampling(parts[i + 1] >> 4, parts[i + 1] & 15) for i in range(0, len(parts) - 2, 3))
    if width == 0 or height == 0 or count == 0 or len(sampling) != count:
        raise JpegDamaged("the JPEG frame header has no size")
    if any(not (1 <= s.horizontal <= 4 and 1 <= s.vertical <= 4) for s in sampling):  # noqa: PLR2004 - T.81 B.2.2
        raise JpegDamaged("the JPEG frame header has a sampling factor out of range")
    return JpegStructure(
        width, height, marker, precision, sampling, found.turn(), found.icc_profile(), adobe=found.adobe
    )


def _walk(data: bytes) -> _Found:
    found = _Found()
    position = 2
    for _ in range(_MAX_MARKERS):
        match = _MARKER.search(data, position)
        if match is None:
            raise JpegDamaged("the JPEG ends before its image data")
        marker, position = match[0][1], match.start()
        if marker in _STANDALONE:
            position += 2
            continue
        if marker in {0xD8, 0xD9}:
            raise JpegDamaged("the JPEG ends before its image data")
        if marker == 0xDA:  # noqa: PLR2004 - start of scan
            return found
        if position + 4 > len(data):
            raise JpegDamaged("the JPEG ends within a header")
        (length,) = struct.unpack_from(">H", data, position + 2)
        body = data[position + 4 : position + 2 + length]
        if length < 2 or len(body) != length - 2:  # noqa: PLR2004 - the length counts itself
            raise JpegDamaged("the JPEG ends within a header")
        found.note(marker, body)
        position += 2 + length
    raise JpegDamaged("the JPEG has too many segments before its image data")
