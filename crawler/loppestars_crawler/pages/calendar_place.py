"""The calendar's text "Municipality Category", in which both may be several words. Pure."""

from functools import cache
from typing import NamedTuple

from loppestars_core.kit.folding import fold
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_crawler.items import DEFAULT_CATEGORY


class CalendarPlace(NamedTuple):
    """A municipality and the category of its market."""

    municipality: str | None
    category: str


def read_calendar_place(text: str | None) -> CalendarPlace:
    """Return municipality and category; where the first words are not a municipality, the last one is the category."""
    words = (text or "").split()
    known = _municipalities()
    for count in range(min(len(words), 3), 0, -1):
        name = known.get(fold(" ".join(words[:count])))
        if name is not None:
            rest = words[count + 1 :] if fold(" ".join(words[count : count + 1])) == "kommune" else words[count:]
            return CalendarPlace(name, " ".join(rest) or DEFAULT_CATEGORY)
    if len(words) > 1:
        return CalendarPlace(" ".join(words[:-1]), words[-1])
    return CalendarPlace(words[0] if words else None, DEFAULT_CATEGORY)


@cache
def _municipalities() -> dict[str, str]:
    """Return the names of the 98 municipalities by their folded form."""
    return {fold(row.municipality): row.municipality for row in danish_postal_codes().by_code.values()}
