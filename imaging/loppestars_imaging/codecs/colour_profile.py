"""Which colour profiles are kept: a result must not carry anything else in a profile's place.

Field positions are those of ICC.1:2022, 7.2 (profile header) and 7.3 (tag table).
"""

import struct
from typing import Final

MAX_BYTES: Final = 4 * 1024 * 1024
"""Larger profiles are dropped: colour is a convenience, and 65,519 * 255 bytes of it a way to waste memory."""
_HEADER: Final = 128
_SIGNATURE: Final = slice(36, 40)
_TAG: Final = 12


def sane_profile(data: bytes) -> bytes | None:
    """Return the profile without bytes that belong to no part of it; None for what is damaged or no profile at all."""
    if not _HEADER + 4 <= len(data) <= MAX_BYTES or data[_SIGNATURE] != b"acsp":
        return None
    size, count = int.from_bytes(data[:4], "big"), int.from_bytes(data[_HEADER : _HEADER + 4], "big")
    table = _HEADER + 4 + _TAG * count
    if not table <= size <= len(data):
        return None
    ends = [offset + length for _, offset, length in struct.iter_unpack(">4sII", data[_HEADER + 4 : table])]
    if max(ends, default=table) > size:
        return None
    return data[:size]
