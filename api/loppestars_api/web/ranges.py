"""Range requests (RFC 9110, 14): a part of a file, so that a download that broke off goes on."""

import re
from typing import Final

from loppestars_api.web.errors import RangeNotSatisfiable

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


def requested_range(header: str | None, size: int) -> range | None:
    """Return the positions that a Range header asks for in a file of `size` bytes; None stands for the whole file.

    Several ranges, other units and malformed headers mean the whole file, as the RFC allows.

    Raises:
        RangeNotSatisfiable: the range lies behind the end.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        wanted = range(max(0, size - int(last)), size)
    elif last and int(last) < int(first):
        return None
    else:
        wanted = range(int(first), min(size, int(last) + 1) if last else size)
    if not wanted:
        raise RangeNotSatisfiable(size)
    return wanted
