"""Damages photos: bytes, and the pieces that formats are made of, so that damage gets past the first check."""

import random
import struct
import zlib
from typing import Final

_HEAD: Final = 400
_SIZES: Final = (0, 1, 7, 8, 255, 4096, 16383, 16384, 65500, 65535)


def damaged(photo: bytes, other: bytes, chance: random.Random, largest: int = 2_000_000) -> bytes:
    """Return the photo with one to sixteen wounds; `other` is a photo to take pieces from."""
    data = bytearray(photo)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        chance.choice((_bytes, _bytes, _bytes, _pieces, _pieces, _splice, _number))(data, other, chance)
        if not data:
            data += b"\xff"
        del data[largest:]
    return bytes(data)


def _bytes(data: bytearray, _other: bytes, chance: random.Random) -> None:
    """Change, remove, add or cut, in the header as often as anywhere."""
    at = chance.randrange(min(len(data), _HEAD) if chance.getrandbits(1) else len(data))
    wound = chance.choice(("change", "change", "change", "flip", "remove", "add", "cut"))
    if wound == "change":
        data[at] = chance.randrange(256)
    elif wound == "flip":
        data[at] ^= 1 << chance.randrange(8)
    elif wound == "remove":
        del data[at : at + chance.randrange(1, 40)]
    elif wound == "add":
        data[at:at] = chance.randbytes(chance.randrange(1, 20))
    else:
        del data[max(1, at) :]


def _splice(data: bytearray, other: bytes, chance: random.Random) -> None:
    """Continue with another photo, or append it as a trailer."""
    if chance.getrandbits(1):
        data += other
        return
    data[chance.randrange(len(data)) :] = other[chance.randrange(len(other)) :]


def _number(data: bytearray, _other: bytes, chance: random.Random) -> None:
    """Write a size at which decoders count wrong, in the order of bytes that the format uses."""
    at = chance.randrange(min(len(data), _HEAD))
    order = "<" if data[:4] == b"RIFF" else ">"
    wide = chance.getrandbits(1)
    value = chance.choice(_SIZES) if not wide else chance.choice((*_SIZES, 1 << 31, (1 << 32) - 1, 1 << 24))
    data[at : at + (4 if wide else 2)] = struct.pack(order + ("I" if wide else "H"), value)


def _pieces(data: bytearray, other: bytes, chance: random.Random) -> None:
    """Drop, double, move or change a whole segment or chunk; checksums stay right."""
    start, spans = _spans(bytes(data))
    if not spans:
        _bytes(data, other, chance)
        return
    parts = [bytes(data[a:b]) for a, b in spans]
    rest = bytes(data[spans[-1][1] :])
    at, to = chance.randrange(len(parts)), chance.randrange(len(parts))
    wound = chance.choice(("drop", "double", "move", "change", "foreign"))
    if wound == "drop":
        del parts[at]
    elif wound == "double":
        parts.insert(to, parts[at])
    elif wound == "move":
        parts.insert(to, parts.pop(at))
    elif wound == "foreign":
        _, theirs = _spans(other)
        if theirs:
            a, b = theirs[chance.randrange(len(theirs))]
            parts.insert(to, other[a:b])
    else:
        parts[at] = _changed(parts[at], chance, png=start == _PNG_START)
    data[:] = bytes(data[:start]) + b"".join(parts) + rest


_PNG_START: Final = 8


def _changed(part: bytes, chance: random.Random, *, png: bool) -> bytes:
    body = bytearray(part)
    for _ in range(chance.choice((1, 2, 8))):
        if len(body) > 8:  # noqa: PLR2004 - length and name of a chunk, marker and length of a segment
            body[chance.randrange(4, len(body))] = chance.randrange(256)
    if png and len(body) >= 12:  # noqa: PLR2004 - length, name, checksum
        body[-4:] = struct.pack(">I", zlib.crc32(bytes(body[4:-4])))
    return bytes(body)


def _spans(data: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Return where the pieces begin, and each piece's start and end; none for containers that are not known here."""
    if data[:2] == b"\xff\xd8":
        return 2, _jpeg_spans(data)
    if data[:4] == b"\x89PNG":
        return _PNG_START, _chunk_spans(data, _PNG_START, ">I", 0, 12)
    if data[:4] == b"RIFF":
        return 12, _chunk_spans(data, 12, "<I", 4, 8)
    if data[4:8] == b"ftyp":
        return 0, _chunk_spans(data, 0, ">I", 0, 0)
    return 0, []


def _jpeg_spans(data: bytes) -> list[tuple[int, int]]:
    spans, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:  # noqa: PLR2004 - up to the scan
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            break
        spans.append((at, end))
        at = end
    return spans


def _chunk_spans(data: bytes, at: int, layout: str, length_at: int, overhead: int) -> list[tuple[int, int]]:
    spans = []
    while at + 8 <= len(data):
        end = at + overhead + int(struct.unpack_from(layout, data, at + length_at)[0])
        end += (end - at) & 1 if layout == "<I" else 0
        if end > len(data) or end <= at:
            break
        spans.append((at, end))
        at = end
    return spans
