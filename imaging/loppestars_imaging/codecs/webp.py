"""WebP, lossy and lossless, with alpha; animated ones are refused.

Read here and by OpenCV, and not by Pillow, whose decoder is made for animations: it reserves two canvases as soon as a
file is opened, and takes twice the memory.
"""

import struct
from typing import Final

import cv2
import numpy as np
from PIL import Image

from loppestars_imaging.codecs import pillow
from loppestars_imaging.codecs.colour.icc import kept_profile
from loppestars_imaging.codecs.picture import Picture, swap_colours
from loppestars_imaging.errors import UnreadablePhoto, UnsupportedFormat
from loppestars_imaging.inspect import Format, Header

_ANIMATION: Final = 0x02
_QUALITY: Final = 90
_FIRST_CHUNK: Final = 12
_PICTURES: Final = {b"VP8 ", b"VP8L", b"ALPH", b"ANMF"}


def inspect(data: bytes) -> Header:
    """Read size and animation flag from the first chunk (WebP container specification; RFC 9649)."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:  # noqa: PLR2004 - flags, then 24-bit canvas width and height minus one
        if data[20] & _ANIMATION:
            raise UnsupportedFormat("An animated WebP")
        return Header(Format.WEBP, int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a" and len(data) >= 30:  # noqa: PLR2004 - RFC 6386 9.1
        width, height = struct.unpack_from("<HH", data, 26)
        return Header(Format.WEBP, width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L" and len(data) >= 25 and data[20] == 0x2F:  # noqa: PLR2004 - signature byte
        (bits,) = struct.unpack_from("<I", data, 21)
        return Header(Format.WEBP, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    raise UnreadablePhoto("the WebP has no header")


def decode(data: bytes, header: Header) -> Picture:
    """Decode upright."""
    chunks = _chunks(data)
    if b"ANIM" in chunks or b"ANMF" in chunks:
        raise UnsupportedFormat("An animated WebP")
    with pillow.readable():
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None or pixels.shape[1::-1] != (header.width, header.height):
            raise UnreadablePhoto("it is truncated or damaged")
        swap_colours(pixels)
    profile = kept_profile(chunks.get(b"ICCP", b""))
    # The turn that EXIF or XMP ask for, read as Pillow reads them.
    image = Image.new("L", (1, 1))
    image.info |= {"exif": chunks.get(b"EXIF", b""), "xmp": chunks.get(b"XMP ", b"")}
    picture = Picture(np.asarray(pixels, np.uint8), profile, lossless=b"VP8L" in chunks)
    return picture.turned(pillow.exif_turn(image))


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Return the first chunk of each kind; pictures themselves are left empty."""
    chunks: dict[bytes, bytes] = {}
    at, end = _FIRST_CHUNK, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        body = b"" if kind in _PICTURES else data[at + 8 : min(at + 8 + length, end)]
        chunks.setdefault(kind, body)
        at += 8 + length + (length & 1)
    return chunks


def encode(picture: Picture) -> bytes:
    """Write a WebP: lossless where the original was."""
    if picture.lossless:
        return pillow.encode(picture, "WEBP", lossless=True, quality=60, method=2, exact=True)
    return pillow.encode(picture, "WEBP", quality=_QUALITY, method=2)
