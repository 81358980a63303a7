"""Colour profiles written anew: known spaces get the same small profile, others only the tags that colour needs.

A profile may name its computer or its owner in private tags, descriptions and padding. What is written holds the
numbers and nothing else. Field positions are those of ICC.1:2022, 7.2 (header), 7.3 (tag table) and 10 (tag types).
"""

import functools
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from loppestars_imaging.codecs.colour.spaces import D50_XYZ, KNOWN, Curve, Floats, Primaries, Space, gamma

MAX_BYTES: Final = 4 * 1024 * 1024
"""Larger profiles are dropped: colour is a convenience, and 65,519 * 255 bytes of it a way to waste memory."""
_HEADER: Final = 128
_ENTRY: Final = 12
_MATRIX: Final = (b"rXYZ", b"gXYZ", b"bXYZ")
_CURVES: Final = (b"rTRC", b"gTRC", b"bTRC")
_TABLES: Final = (b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2")
_COLOUR_TAGS: Final = frozenset({*_MATRIX, *_CURVES, b"kTRC", b"wtpt", b"chad", *_TABLES})
_ALIKE_COLOUR, _ALIKE_CURVE = 0.003, 0.008
_SAMPLES: Final = np.linspace(0.02, 1, 25)
_CURVE_POINTS: Final = 1024
_PARAMETERS: Final = (1, 3, 4, 5, 7)

Tags = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a profile's header says that colour needs."""

    version: int
    device: bytes
    space: bytes
    connection: bytes
    intent: int


_DISPLAY: Final = _Kind(0x02400000, b"mntr", b"RGB ", b"XYZ ", 0)


def kept_profile(data: bytes) -> bytes | None:
    """Return a profile that says the same and nothing else; None for what is damaged, or not a profile at all."""
    tags = _tags(data)
    if tags is None:
        return None
    if data[16:20] == b"RGB " and not any(table in tags for table in _TABLES):
        space = _known(tags)
        if space is not None:
            return canonical_profile(space)
    kind = _Kind(int.from_bytes(data[8:12], "big"), data[12:16], data[16:20], data[20:24], data[67] & 3)
    return _assembled("Colour profile", tags, kind)


@functools.cache
def canonical_profile(space: Space) -> bytes:
    """Return the one profile that results in this space get."""
    return matrix_profile(space.name, space.primaries, space.curve, space.gamma)


def matrix_profile(name: str, primaries: Primaries, curve: Curve, exponent: float | None = None) -> bytes:
    """Return a profile of version 2 of primaries and one curve for all three colours."""
    columns = primaries.to_d50().T
    if exponent is not None:
        body = struct.pack(">IH", 1, round(exponent * 256))
    else:
        points = np.rint(curve(np.linspace(0, 1, _CURVE_POINTS)) * 65535).astype(">u2")
        body = struct.pack(">I", _CURVE_POINTS) + points.tobytes()
    tags: Tags = {b"wtpt": _xyz(D50_XYZ)}
    tags |= {tag: _xyz(tuple(column)) for tag, column in zip(_MATRIX, columns, strict=True)}
    tags |= dict.fromkeys(_CURVES, b"curv\0\0\0\0" + body)
    return _assembled(name, tags, _DISPLAY)


def _tags(data: bytes) -> Tags | None:
    """Return the parts that colour needs, each cut to its own length; None for what is damaged."""
    if not _HEADER + 4 <= len(data) <= MAX_BYTES or data[36:40] != b"acsp":
        return None
    size, count = int.from_bytes(data[:4], "big"), int.from_bytes(data[_HEADER : _HEADER + 4], "big")
    end = _HEADER + 4 + _ENTRY * count
    if not end <= size <= len(data):
        return None
    tags = {}
    for name, offset, length in struct.iter_unpack(">4sII", data[_HEADER + 4 : end]):
        if offset + length > size or offset < _HEADER:
            return None
        if name in _COLOUR_TAGS and name not in tags:
            tags[name] = _trimmed(data[offset : offset + length])
    usable = {b"A2B0", b"kTRC"} & set(tags) or {*_MATRIX, *_CURVES} <= set(tags)
    return tags if usable and all(tags.values()) else None


def _trimmed(element: bytes) -> bytes:
    """Return an element without what lies behind its own end; empty where it is shorter than it says."""
    kind, length = element[:4], len(element)
    if kind == b"XYZ ":
        length = 20
    elif kind == b"curv":
        length = 12 + 2 * int.from_bytes(element[8:12], "big")
    elif kind == b"para":
        function = int.from_bytes(element[8:10], "big")
        length = 12 + 4 * _PARAMETERS[function] if function < len(_PARAMETERS) else 0
    elif kind == b"sf32":
        length = 8 + 4 * 9
    elif kind in {b"mft1", b"mft2"}:
        length = _table_bytes(element)
    return element[:length] if 0 < length <= len(element) else b""


def _table_bytes(element: bytes) -> int:
    """Return the length of a lut8Type or lut16Type (10.10, 10.11)."""
    inputs, outputs, grid = element[8:11].ljust(3, b"\0")
    if element[:4] == b"mft1":
        return int(48 + 256 * inputs + grid**inputs * outputs + 256 * outputs)
    before, after = (int.from_bytes(element[at : at + 2], "big") for at in (48, 50))
    return int(52 + 2 * (before * inputs + grid**inputs * outputs + after * outputs))


def _known(tags: Tags) -> Space | None:
    """Return the known space that these colours and curves are, within what nobody sees."""
    columns = np.array([struct.unpack(">3i", tags[tag][8:20]) for tag in _MATRIX]).T / 65536
    curves = [_curve_of(tags[tag]) for tag in _CURVES]
    for space in KNOWN:
        if np.abs(columns - space.primaries.to_d50()).max() > _ALIKE_COLOUR:
            continue
        wanted = space.curve(_SAMPLES)
        if all(curve is not None and np.abs(curve(_SAMPLES) - wanted).max() < _ALIKE_CURVE for curve in curves):
            return space
    return None


def _curve_of(element: bytes) -> Curve | None:
    """Return a curveType or parametricCurveType as a function (10.6, 10.18); None for any other."""
    if element[:4] == b"curv":
        count = int.from_bytes(element[8:12], "big")
        points = np.frombuffer(element[12:], ">u2").astype(np.float64)
        if count <= 1:
            return gamma(points[0] / 256 if count else 1.0)
        return lambda values: np.interp(values, np.linspace(0, 1, count), points / 65535)
    if element[:4] != b"para":
        return None
    function = int.from_bytes(element[8:10], "big")
    values = [value / 65536 for value in struct.unpack(f">{_PARAMETERS[function]}i", element[12:])]
    return functools.partial(_parametric, function, values)


def _parametric(function: int, values: list[float], x: Floats) -> Floats:
    exponent, a, b, c, d, e, f = [*values, *[1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(values) - 1 :]]
    if function in {1, 2}:
        offset = c if function == 2 else 0.0  # noqa: PLR2004 - IEC 61966-3 is the third kind
        return np.where(x >= -b / a, np.maximum(a * x + b, 0) ** exponent + offset, offset)
    high = np.maximum(a * x + b, 0) ** exponent
    return np.asarray(np.where(x >= d, high + e, c * x + f) if function else high)


def _assembled(name: str, tags: Tags, kind: _Kind) -> bytes:
    """Lay out a profile; elements that are equal are written once."""
    modern = kind.version >= 0x04000000  # noqa: PLR2004 - version 4 has other types of text
    # A textDescriptionType of version 2, whose other two texts are empty.
    old = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name.encode("ascii") + bytes(1 + 4 + 4 + 2 + 1 + 67)
    texts = {b"desc": _modern_text(name) if modern else old}
    texts[b"cprt"] = _modern_text("None") if modern else b"text\0\0\0\0None\0"
    places: dict[bytes, int] = {}
    body, table = b"", b""
    start = _HEADER + 4 + _ENTRY * (len(tags) + len(texts))
    for tag, element in sorted((texts | tags).items()):
        if element not in places:
            places[element] = start + len(body)
            body += element + b"\0" * (-len(element) % 4)
        table += struct.pack(">4sII", tag, places[element], len(element))
    head = struct.pack(
        ">I4xI4s4s4s6H4s24xI12s48x",
        start + len(body),
        kind.version,
        kind.device,
        kind.space,
        kind.connection,
        *(2000, 1, 1, 0, 0, 0),
        b"acsp",
        kind.intent,
        _xyz(D50_XYZ)[8:],
    )
    return head + struct.pack(">I", len(tags) + len(texts)) + table + body


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _modern_text(text: str) -> bytes:
    """Return a multiLocalizedUnicodeType of version 4."""
    encoded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded
