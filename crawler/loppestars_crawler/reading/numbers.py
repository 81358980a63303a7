"""Numbers in texts: stalls and coordinates."""

import math
import re
from typing import Any, Final

MAX_STALLS: Final = 20_000
_MAX_TEXT: Final = 500
_THOUSANDS: Final = re.compile(r"(?<=\d)[.](?=\d{3}(?!\d))")
_COUNT: Final = re.compile(r"(?<!\d)\d{1,6}(?!\d)")


def read_count(text: str | None) -> int | None:
    """Return the first whole number of a text (`ca. 120 stader`), at most 20,000."""
    found = _COUNT.search(_THOUSANDS.sub("", (text or "")[:_MAX_TEXT]))
    number = int(found[0]) if found else None
    return number if number is not None and number <= MAX_STALLS else None


def read_degrees(value: Any) -> float | None:  # noqa: ANN401 - whatever JSON holds
    """Return degrees from a number or text; None for empty, boolean, not finite, or the 0 that stands for "not set"."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        degrees = float(value.strip().replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return degrees if math.isfinite(degrees) and degrees else None
