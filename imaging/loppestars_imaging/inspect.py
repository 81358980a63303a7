"""Looks at a photo's first bytes: what it is and how large, before a pixel is decoded.

The bytes decide, never the file's name or the declared content type. One function per format family lives with its
codec; this module picks it and checks the limits.
"""

import enum
from dataclasses import dataclass
from typing import Final

from loppestars_imaging.errors import (
    EmptyPhoto,
    TooLong,
    TooManyBytes,
    TooManyPixels,
    UnreadablePhoto,
    UnsupportedFormat,
)
from loppestars_jpeg.orientation import UPRIGHT, Turn

MEGA: Final = 1_000_000
MIB: Final = 1024 * 1024
MAX_SIDE: Final = 65_500
"""Longest side in pixels: libjpeg reads and writes no longer ones, and every photo may have to become a JPEG."""


class Format(enum.StrEnum):
    """The formats that are read."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    HEIF = "heif"


CONTENT_TYPES: Final = {
    Format.JPEG: "image/jpeg",
    Format.PNG: "image/png",
    Format.WEBP: "image/webp",
    Format.AVIF: "image/avif",
    Format.HEIF: "image/heif",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What is accepted at all."""

    max_pixels: int = 50 * MEGA
    max_bytes: int = 50 * MIB


@dataclass(frozen=True, slots=True)
class Header:
    """A photo's format and its size as stored (before it is turned upright)."""

    format: Format
    width: int
    height: int
    turn: Turn = UPRIGHT
    decoded: tuple[int, int] | None = None
    """Width and height of what is decoded, where its container shows only a part of it."""

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as a viewer shows it."""
        return self.turn.size(self.width, self.height)


_ISO_STILLS: Final = {b"avif": Format.AVIF} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"miaf"), Format.HEIF
)
_ISO_SEQUENCES: Final = {b"avis", b"hevc", b"hevx", b"msf1"}
_REFUSED: Final = (
    (b"GIF8", "A GIF"),
    (b"II*\0", "A TIFF"),
    (b"MM\0*", "A TIFF"),
    (b"II+\0", "A TIFF"),
    (b"MM\0+", "A TIFF"),
    (b"%PDF", "A PDF"),
    (b"BM", "A BMP"),
    (b"\0\0\x01\0", "An icon"),
    (b"\xff\x0a", "A JPEG XL"),
    (b"\0\0\0\x0cJXL ", "A JPEG XL"),
    (b"\0\0\0\x0cjP  ", "A JPEG 2000"),
    (b"\xff\x4f\xff\x51", "A JPEG 2000"),
    (b"\x1aE\xdf\xa3", "A video"),
    (b"\0\0\x01\xba", "A video"),
    (b"\0\0\x01\xb3", "A video"),
    (b"FLV\x01", "A video"),
    (b"8BPS", "A Photoshop file"),
)


def sniff(data: bytes) -> Format:
    """Return the format by the first bytes; raise UnsupportedFormat with a name where it has one."""
    if data.startswith(b"\xff\xd8\xff"):
        return Format.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Format.PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Format.WEBP
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        raise UnsupportedFormat("A video")
    if data[4:8] == b"ftyp":
        return _sniff_iso(data)
    for start, name in _REFUSED:
        if data.startswith(start):
            raise UnsupportedFormat(name)
    text = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        raise UnsupportedFormat("An SVG")
    raise UnsupportedFormat("A file of unknown format")


def _sniff_iso(data: bytes) -> Format:
    """AVIF and HEIF share a container; its brands tell them apart, the major brand first."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, size - 3, 4))]
    if brands[0] in _ISO_SEQUENCES:
        raise UnsupportedFormat("A moving picture")
    if b"avif" in brands:
        return Format.AVIF
    for brand in brands:
        if brand in _ISO_STILLS:
            return _ISO_STILLS[brand]
    raise UnsupportedFormat("A video or other media file")


def check_size(data: bytes, limits: Limits) -> None:
    """Refuse empty and too large files."""
    if not data:
        raise EmptyPhoto
    if len(data) > limits.max_bytes:
        raise TooManyBytes(len(data), limits.max_bytes)


def check_dimensions(header: Header, limits: Limits) -> None:
    """Refuse photos of no or too many pixels, in all or along a side."""
    for width, height in ((header.width, header.height), header.decoded or (1, 1)):
        if width < 1 or height < 1:
            raise UnreadablePhoto("it has no size")
        if width * height > limits.max_pixels:
            raise TooManyPixels(width, height, limits.max_pixels)
        if max(width, height) > MAX_SIDE:
            raise TooLong(width, height, MAX_SIDE)
