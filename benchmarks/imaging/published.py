"""What every published photo has to be: readable, of the right size, and without anything but picture and colour."""

import io
import struct
import warnings
from collections.abc import Iterator
from typing import Final

from PIL import Image

_JPEG_ALLOWED: Final = {0xDB, 0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDD}  # tables, frames, scans, restart interval
_APP0, _APP2, _APP14 = 0xE0, 0xE2, 0xEE
_ALLOWED_APPS: Final = {_APP0: b"JFIF\0", _APP2: b"ICC_PROFILE\0", _APP14: b"Adobe"}
_JFIF_LENGTH: Final = 14  # with no thumbnail
_PNG_ALLOWED: Final = {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IDAT", b"IEND"}
_WEBP_ALLOWED: Final = {b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ICCP"}
_EOI, _SOS = 0xD9, 0xDA


def problems(data: bytes, size: tuple[int, int]) -> list[str]:
    """Return what is wrong with a result that should have this upright size; nothing when it may be published."""
    found = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            image.load()
    except Exception as error:  # noqa: BLE001 - decoders raise many kinds
        return [f"cannot be read: {error}"]
    if image.size != size:
        found.append(f"is {image.size} and not {size}")
    if getattr(image, "n_frames", 1) > 1:
        found.append("has more than one frame")
    if image.getexif():
        found.append("has EXIF")
    walk = {"JPEG": _jpeg_extras, "PNG": _png_extras, "WEBP": _webp_extras}.get(image.format or "")
    found += [f"is a {image.format}"] if walk is None else [f"carries {extra}" for extra in walk(data)]
    return found


def _jpeg_extras(data: bytes) -> Iterator[str]:
    """Name the segments that do not belong, and bytes after the end."""
    at = 2
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF:  # noqa: PLR2004 - every marker's first byte
            yield f"a hole at {at}"
            return
        if marker == _EOI:
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        start = _ALLOWED_APPS.get(marker)
        if start is None and marker not in _JPEG_ALLOWED:
            yield f"marker {marker:02x}"
        elif start is not None and not body.startswith(start):
            yield f"a foreign APP{marker - _APP0}"
        elif marker == _APP0 and len(body) > _JFIF_LENGTH:
            yield "a JFIF thumbnail"
        at += 2 + length
        if marker == _SOS:
            at = _after_scan(data, at)
    if at + 2 != len(data):
        yield f"{len(data) - at - 2} bytes after the end"


def _after_scan(data: bytes, at: int) -> int:
    """Return where the next marker is: entropy-coded data holds FF only before 00 or a restart marker."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:  # noqa: PLR2004 - RST0 to RST7
            return at
        at += 2
    return len(data)


def _png_extras(data: bytes) -> Iterator[str]:
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind not in _PNG_ALLOWED:
            yield f"chunk {kind!r}"
        at += 12 + length
        if kind == b"IEND":
            break
    if at != len(data):
        yield f"{len(data) - at} bytes after the end"


def _webp_extras(data: bytes) -> Iterator[str]:
    at, end = 12, 8 + struct.unpack_from("<I", data, 4)[0]
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind not in _WEBP_ALLOWED:
            yield f"chunk {kind!r}"
        at += 8 + length + (length & 1)
    if end != len(data):
        yield f"{len(data) - end} bytes after the end"
