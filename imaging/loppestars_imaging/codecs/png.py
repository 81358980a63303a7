"""PNG: 1 to 16 bits, palette, alpha. 16-bit photos stay 16-bit; animated ones (APNG) are refused."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from PIL import PngImagePlugin

from loppestars_imaging.codecs import pillow
from loppestars_imaging.codecs.colour.cicp import CodePoints
from loppestars_imaging.codecs.picture import Picture, swap_colours
from loppestars_imaging.errors import UnreadablePhoto, UnsupportedFormat
from loppestars_imaging.faces import Pixels
from loppestars_imaging.inspect import MAX_SIDE, Format, Header

# Photo editors write more text into a chunk than Pillow's 1 MiB, which it calls damage; memory is bounded anyway.
PngImagePlugin.MAX_TEXT_CHUNK = 16 * 1024 * 1024
_SIGNATURE: Final = 8
_IHDR_END: Final = 33
_DEEP: Final = 16
_CICP_BYTES: Final = 4


def inspect(data: bytes) -> Header:
    """Read the size from IHDR, and refuse an animation (acTL before the first IDAT)."""
    width, height, _ = _ihdr(data)
    if width > MAX_SIDE or height > MAX_SIDE:
        return Header(Format.PNG, width, height)
    if any(kind == b"acTL" for kind, _ in _chunks_before_pixels(data)):
        raise UnsupportedFormat("An animated PNG")
    return Header(Format.PNG, width, height)


def decode(data: bytes, header: Header) -> Picture:
    """Decode upright: EXIF and XMP orientation count, as in browsers."""
    _check_whole(data)
    with pillow.readable():
        image = pillow.open_image(data, "PNG")
        # What cICP says counts before any profile (PNG, third edition, 11.3.2.6).
        cicp = [body for kind, body in _chunks_before_pixels(data) if kind == b"cICP" and len(body) == _CICP_BYTES]
        points = CodePoints(cicp[0][0], cicp[0][1]) if cicp else None
        icc = pillow.icc_of(image) if points is None else None
        if image.size != (header.width, header.height):
            raise UnreadablePhoto("its headers contradict each other")
        pixels = _deep(data) if _ihdr(data)[2] == _DEEP else pillow.decode(image)
        turn = pillow.exif_turn(image)
    picture = Picture(pixels, icc, lossless=True).turned(turn).in_colour(points)
    if points is None and icc is None and "srgb" not in image.info and "gamma" in image.info:
        return picture.in_measured_colour(image.info["gamma"], image.info.get("chromaticity"))
    return picture


def encode(picture: Picture) -> bytes:
    """Write a PNG of the picture's own depth."""
    if picture.pixels.dtype == np.uint8:
        return pillow.encode(picture, "PNG", compress_level=4)
    pixels = picture.pixels
    swap_colours(pixels)  # in place: the picture is not needed any more, and a copy would take as much memory again
    done, buffer = cv2.imencode(".png", pixels)
    if not done:
        raise MemoryError("OpenCV could not write the PNG, for which it has no other reason")
    png = buffer.tobytes()
    if picture.icc is None:
        return png
    # An iCCP chunk after IHDR.
    body = b"ICC profile\0\0" + zlib.compress(picture.icc)
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    return png[:_IHDR_END] + chunk + png[_IHDR_END:]


def _ihdr(data: bytes) -> tuple[int, int, int]:
    if len(data) < _IHDR_END or data[12:16] != b"IHDR":
        raise UnreadablePhoto("the PNG has no header")
    width, height, depth = struct.unpack_from(">IIB", data, 16)
    return width, height, depth


def _chunks_before_pixels(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = _SIGNATURE
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind in {b"IDAT", b"IEND"}:
            return
        yield kind, data[position + 8 : position + 8 + length]
        position += 12 + length


def _check_whole(data: bytes) -> None:
    """Raise UnreadablePhoto unless every critical chunk is as it was written: decoders fill in what is missing."""
    position = _SIGNATURE
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if kind == b"IEND":
            return
        if end + 4 > len(data):
            break
        critical = not kind[0] & 0x20
        if critical and zlib.crc32(memoryview(data)[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            break
        position = end + 4
    raise UnreadablePhoto("it is truncated or damaged")


def _deep(data: bytes) -> Pixels:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise UnreadablePhoto("it is truncated or damaged")
    if decoded.ndim == 2:  # noqa: PLR2004 - gray
        return decoded[:, :, None]
    pixels: Pixels = np.asarray(decoded)
    swap_colours(pixels)
    return pixels
