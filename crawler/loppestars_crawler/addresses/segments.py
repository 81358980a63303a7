"""A street line taken apart at its commas: countries go, the postal code and the town that ends it are found."""

import re
from typing import Final

from loppestars_core.kit.folding import fold
from loppestars_core.places.postal_codes import PostalCode, PostalCodes
from loppestars_core.places.spelling import without_floor
from loppestars_crawler.text import clean

_COUNTRIES: Final = r"(?:danmark|denmark|dänemark|danemark|dk)"
_COUNTRY: Final = re.compile(_COUNTRIES, re.IGNORECASE)
_COUNTRY_AT_END: Final = re.compile(rf"(?<=[\s,.;/-]){_COUNTRIES}$", re.IGNORECASE)
CODE: Final = re.compile(r"(?<![\w-])(?:DK|D)?[-\s]?(\d{4})(?![\w])", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[,;\n|]")
EDGES: Final = " \t.,;:/|·•-\u2013\u2014"
STREET: Final = re.compile(
    r"\d|(?:vej|vejen|gade|gaden|allé|alle|stræde|torv|plads|boulevard|vænget|stien)$", re.IGNORECASE
)
_HOUSE_NUMBER: Final = re.compile(r"\d+\s*[A-Za-z]?")
_ENDS_IN_HOUSE_NUMBER: Final = re.compile(r"(?<!\D)(?=\D*?[^\W\d]{2})\D++(?<=\s)\d++\s*+[A-Za-z]?$")
_MAX_TOWN_WORDS: Final = 4


def split_line(text: str | None) -> list[str]:
    """Return the parts between commas, without countries, double spaces and stray punctuation."""
    segments = []
    for part in _SEPARATORS.split(text or ""):
        segment = (clean(part) or "").strip(EDGES)
        while (shorter := _COUNTRY_AT_END.sub("", segment).strip(EDGES)) != segment:
            segment = shorter
        if segment and not _COUNTRY.fullmatch(segment):
            segments.append(segment)
    return segments


def take_code(segments: list[str], table: PostalCodes) -> tuple[PostalCode | None, str | None, list[str]]:
    """Return the last postal code that stands where one stands, the town after it, and what is left.

    It stands at the start of its segment, before its town, or after a house number at the end.
    """
    for index in range(len(segments) - 1, -1, -1):
        segment = segments[index]
        for found in reversed(list(CODE.finditer(segment))):
            row = table.get(found[1])
            rest = segment[found.end() :].strip(EDGES)
            town = table.town_named(rest)
            before = segment[: found.start()].strip(EDGES)
            closes = not rest and bool(_ENDS_IN_HOUSE_NUMBER.search(without_floor(before)))
            if row is None or (before and not closes and not (town and table.belongs(row.code, town))):
                continue
            kept = [before, "" if town else rest]
            return row, town, [*segments[:index], *(part for part in kept if part), *segments[index + 1 :]]
    return None, None, segments


def take_town(segments: list[str], table: PostalCodes, *, known: bool) -> tuple[str | None, list[str]]:
    """Return the town that ends the line and what is left: a segment of its own, or the words after a house number.

    `known` says that the town or the code is known from elsewhere, so that a single segment may be the town.
    """
    if not segments:
        return None, segments
    *others, last = segments
    town = table.town_named(last)
    if town is not None and (others or known or not STREET.search(last)):
        return town, others
    words = last.split()
    for count in range(min(_MAX_TOWN_WORDS, len(words) - 1), 0, -1):
        town = table.town_named(" ".join(words[-count:]))
        if town is not None and _HOUSE_NUMBER.fullmatch(words[-count - 1].strip(EDGES)):
            return town, [*others, " ".join(words[:-count]).strip(EDGES)]
    return None, segments


def without_repetition(segments: list[str], town: str | None) -> list[str]:
    """Return a street line without the town (it has a field) and without saying anything twice."""
    kept: list[str] = []
    seen = {fold(town)} if town else set()
    for segment in segments:
        folded = fold(segment)
        if folded and folded not in seen:
            kept.append(segment)
            seen.add(folded)
    return kept
