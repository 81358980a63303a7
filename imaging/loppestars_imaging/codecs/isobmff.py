"""What AVIF and HEIF say of their primary image in boxes (ISO/IEC 14496-12 and 23008-12): its colour and its crop."""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loppestars_imaging.codecs.colour.cicp import CodePoints

_FULL_BOX: Final = 4
_LARGE_INDEX: Final = 1
_MAX_BOXES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Crop:
    """A clean aperture in pixels of the coded image."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Properties:
    """What is read of the primary image; None where it says nothing, or nothing that makes sense."""

    colour: CodePoints | None = None
    size: tuple[int, int] | None = None
    """Width and height before anything is cropped or turned (`ispe`)."""
    aperture: tuple[int, ...] | None = None
    """Numerators and denominators of width, height, horizontal and vertical offset of `clap`."""

    def crop(self, width: int, height: int) -> Crop | None:
        """Return the part that is shown of an image of this size (14496-12, 12.1.4); None for all of it."""
        if self.aperture is None or 0 in self.aperture[1::2]:
            return None
        wide, high, x, y = (self.aperture[i] / self.aperture[i + 1] for i in (0, 2, 4, 6))
        left, top = x + (width - wide) / 2, y + (height - high) / 2
        crop = Crop(round(left), round(top), round(wide), round(high))
        inside = crop.left >= 0 and crop.top >= 0 and crop.width > 0 and crop.height > 0
        if not inside or crop.left + crop.width > width or crop.top + crop.height > height:
            return None
        return crop


def primary_properties(data: bytes) -> Properties:
    """Return the properties of the primary image; a file that cannot be walked has none, as in viewers."""
    with contextlib.suppress(struct.error, IndexError, KeyError, ValueError):
        meta = dict(_boxes(data))[b"meta"][_FULL_BOX:]
        parts = dict(_boxes(meta))
        named = parts[b"pitm"]
        primary = int(struct.unpack_from(">I" if named[0] else ">H", named, _FULL_BOX)[0])
        properties = dict(_boxes(parts[b"iprp"]))
        stored = list(_boxes(properties[b"ipco"]))
        colour, size, aperture = None, None, None
        for index in _associated(properties[b"ipma"], primary):
            kind, body = stored[index - 1]
            if kind == b"colr" and body[:4] == b"nclx" and colour is None:
                colour = CodePoints(*struct.unpack_from(">HH", body, 4))
            elif kind == b"ispe" and size is None:
                size = struct.unpack_from(">II", body, _FULL_BOX)
            elif kind == b"clap" and aperture is None:
                aperture = struct.unpack_from(">IIIIiIiI", body)
        return Properties(colour, size, aperture)
    return Properties()


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = len(data) if size == 0 else at + size
        if end < start:
            raise ValueError("a box that ends before it begins")
        # Pictures themselves are not copied.
        yield kind, b"" if kind in {b"mdat", b"idat"} else data[start:end]
        at = end


def _associated(body: bytes, item: int) -> list[int]:
    """Return the indices, from 1, of the properties that belong to an item (23008-12, 9.3.3)."""
    version, wide = body[0], body[3] & _LARGE_INDEX
    (count,) = struct.unpack_from(">I", body, _FULL_BOX)
    at = _FULL_BOX + 4
    for _ in range(min(count, _MAX_BOXES)):
        (found,) = struct.unpack_from(">H" if version < 1 else ">I", body, at)
        at += 2 if version < 1 else 4
        number = body[at]
        at += 1
        entry = ">H" if wide else ">B"
        indices = [struct.unpack_from(entry, body, at + i * (1 + wide))[0] for i in range(number)]
        if found == item:
            return [index & (0x7FFF if wide else 0x7F) for index in indices if index & (0x7FFF if wide else 0x7F)]
        at += number * (1 + wide)
    return []
