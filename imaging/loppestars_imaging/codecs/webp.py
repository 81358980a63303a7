"""WebP, lossy and lossless, with alpha; animated ones are refused.

The size is read here and not by Pillow, whose decoder reserves two canvases as soon as a file is opened.
"""

import struct

from loppestars_imaging.codecs import pillow
from loppestars_imaging.codecs.picture import Picture
from loppestars_imaging.errors import UnreadablePhoto, UnsupportedFormat
from loppestars_imaging.header import Format, Header

_ANIMATION = 0x02
_QUALITY = 90


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
    with pillow.readable():
        image = pillow.open_image(data, "WEBP")
        if getattr(image, "n_frames", 1) > 1:
            raise UnsupportedFormat("An animated WebP")
        if image.size != (header.width, header.height):
            raise UnreadablePhoto("its headers contradict each other")
        turn, icc = pillow.exif_turn(image), pillow.icc_of(image)
        pixels = pillow.decode(image)
    return Picture(pixels, icc, lossless=b"VP8L" in data[12:64]).turned(turn)


def encode(picture: Picture) -> bytes:
    """Write a WebP: lossless where the original was."""
    if picture.lossless:
        return pillow.encode(picture, "WEBP", lossless=True, quality=60, method=2, exact=True)
    return pillow.encode(picture, "WEBP", quality=_QUALITY, method=2)
