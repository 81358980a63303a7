"""Words in a title that call a market off or put it off: `AFLYST: Loppemarked i Remisen`."""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from loppestars_crawler.text import clean

_MAX_TITLE: Final = 500
_WORD: Final = (
    r"(?P<cancelled>aflyst|aflyses|aflysning|cancelled|canceled|indstillet)|"
    r"(?P<postponed>udsat|udsættes|udskudt|udskydes|postponed)"
)
_MARK: Final = re.compile(
    # Words that only introduce the mark belong to it, and so does the reason that follows it.
    rf"\W{{0,8}}(?:\b(?:(?:er|bliver|desværre|nu|helt|obs)\W{{1,4}}){{1,4}})?\b(?:{_WORD})\b"
    r"(?:\W{1,4}(?:til|pga|p\.\s?g\.\s?a|grundet|på grund af|på ubestemt|indtil|i år|due to|until)\b"
    r"[^:\-\u2013|()\[\]]{0,80})?"
    r"\W{0,8}",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(r"\b(?:ikke|ej|not|aldrig)\W{1,3}$", re.IGNORECASE)
_EDGES: Final = " \t:;,.!*-\u2013\u2014|/+#~>•·❌⚠️🚫\ufe0f"


class Status(StrEnum):
    """Whether a market takes place."""

    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    POSTPONED = "postponed"


class Title(NamedTuple):
    """A title without the words that call its market off."""

    name: str
    status: Status


def read_title(text: str) -> Title:
    """Return the title of a market and whether it takes place; a title of the word alone stays as it is."""
    title = text[:_MAX_TITLE]
    for mark in _MARK.finditer(title):
        status = Status.CANCELLED if mark["cancelled"] else Status.POSTPONED
        if _DENIED.search(title[: mark.start(status)]):
            continue
        before, after = title[: mark.start()], title[mark.end() :]
        joined = " ".join(part for part in (before.strip(_EDGES), after.strip(_EDGES)) if part)
        name = clean(_without_lone_brackets(joined).strip(_EDGES)) or title
        return Title(name if before.strip(_EDGES) else name[:1].upper() + name[1:], status)
    return Title(title, Status.SCHEDULED)


def read_status(text: str | None) -> Status:
    """Return what a short text says of whether a market takes place."""
    return read_title(text).status if text else Status.SCHEDULED


def _without_lone_brackets(text: str) -> str:
    """Remove brackets whose other half went with the mark."""
    for opening, closing in ("()", "[]"):
        if text.count(opening) != text.count(closing):
            text = text.replace(opening, " ").replace(closing, " ")
    return text
