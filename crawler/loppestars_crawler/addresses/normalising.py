"""One address from what a source said about a place: street, postal code and town that agree with each other.

Pure: the same words give the same address, and an address put through again comes out unchanged. A town is only what
the postal-code table knows as one, never a street, a venue or a country; what cannot be placed stays in the street
line, so nothing that a person could use is lost.
"""

import re
from dataclasses import dataclass, field, replace

from loppestars_core.kit.folding import fold
from loppestars_core.places.postal_codes import PostalCode, PostalCodes, danish_postal_codes
from loppestars_crawler.text import clean

LOWEST_CODE, HIGHEST_CODE = 1000, 9990
_COUNTRIES = r"(?:danmark|denmark|dänemark|danemark|dk)"
_COUNTRY = re.compile(rf"{_COUNTRIES}", re.IGNORECASE)
_COUNTRY_AT_END = re.compile(rf"[\s,.;/-]+{_COUNTRIES}\s*$", re.IGNORECASE)
_CODE = re.compile(r"(?<![\w-])(?:DK|D)?[-\s]?(\d{4})(?![\w])", re.IGNORECASE)
_SEPARATORS = re.compile(r"\s*[,;\n|]+\s*")
_EDGES = " \t.,;:/|·•-\u2013\u2014"
_STREET = re.compile(r"\d|(?:vej|vejen|gade|gaden|allé|alle|stræde|torv|plads|boulevard)$", re.IGNORECASE)
_LONGEST_TOWN_WORDS = 4


@dataclass(frozen=True, slots=True)
class PlaceWords:
    """What a source said about where a market is; every part may be missing, wrong or in the wrong field."""

    address: str | None = None
    city: str | None = None
    postal_code: str | None = None
    municipality: str | None = None
    venue: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A normalised address; `doubts` says what did not agree and was left out or decided."""

    street: str | None
    postal_code: str | None
    city: str | None
    doubts: tuple[str, ...] = field(default=(), compare=False)

    @property
    def key(self) -> str:
        """The same for two spellings of one address; empty when nothing is known of the place."""
        parts = (fold(self.street or ""), self.postal_code or "", fold(self.city or ""))
        return "|".join(parts) if any(parts) else ""

    @property
    def line(self) -> str:
        """As on a letter: `Østergade 18, 4900 Nakskov`."""
        town = " ".join(part for part in (self.postal_code, self.city) if part)
        return ", ".join(part for part in (self.street, town) if part)


def normalise_address(words: PlaceWords, table: PostalCodes | None = None) -> Address:
    """Bring the parts of an address in order and make them agree with the postal-code table."""
    table = table or danish_postal_codes()
    address = _normalise_once(words, table)
    # What one pass takes from the end of the street line may lay bare another code or town ("1001 1001").
    while (again := _normalise_once(PlaceWords(address.street, address.city, address.postal_code), table)) != address:
        if len(again.street or "") >= len(address.street or ""):
            break
        address = replace(again, doubts=address.doubts)
    return address


def _normalise_once(words: PlaceWords, table: PostalCodes) -> Address:
    doubts: list[str] = []
    segments = _segments(words.address)
    code = _field_code(words.postal_code, table, doubts)
    field_town = _field_town(words, table, doubts)
    code_in_text, town_in_text, segments = _take_code(segments, table)
    if code is None:
        code = code_in_text
    town_at_end, segments = _take_town(segments, table, field_town, code)
    town = field_town or town_in_text or town_at_end
    code, town = _agree(code, town, words, table, doubts)
    street = ", ".join(_without_repetition(segments, town))
    return Address(clean(street.strip(_EDGES)), code.code if code else None, town, tuple(doubts))


def _segments(text: str | None) -> list[str]:
    """Parts between commas, without countries, double spaces and stray punctuation."""
    segments = []
    for part in _SEPARATORS.split(text or ""):
        segment = (clean(part) or "").strip(_EDGES)
        while (shorter := _COUNTRY_AT_END.sub("", segment).strip(_EDGES)) != segment:
            segment = shorter
        if segment and not _COUNTRY.fullmatch(segment):
            segments.append(segment)
    return segments


def _field_code(text: str | None, table: PostalCodes, doubts: list[str]) -> PostalCode | None:
    """Postal code from the field that is meant for it."""
    value = clean(text)
    if value is None:
        return None
    found = _CODE.search(value)
    row = table.get(found[1]) if found else None
    if row is None or not LOWEST_CODE <= int(row.code) <= HIGHEST_CODE:
        doubts.append(f"postal code {value[:20]!r} does not exist in Denmark")
        return None
    return row


def _field_town(words: PlaceWords, table: PostalCodes, doubts: list[str]) -> str | None:
    """Town from the field that is meant for it, unless it holds a street, a venue or a country."""
    value = ", ".join(_segments(_CODE.sub(" ", words.city or "")))
    if not value:
        return None
    town = table.town_named(value)
    if town is not None:
        return town
    folded = fold(value)
    if folded in {fold(words.venue or ""), fold(words.name or "")}:
        doubts.append(f"city {value[:60]!r} is the name of the venue")
    elif folded == fold(words.address or "") or _STREET.search(value):
        doubts.append(f"city {value[:60]!r} is a street")
    else:
        doubts.append(f"city {value[:60]!r} is not in the postal-code table")
    return None


def _take_code(segments: list[str], table: PostalCodes) -> tuple[PostalCode | None, str | None, list[str]]:
    """Last postal code in the segments that stands where one stands: at the start of its segment or before its town."""
    for index in range(len(segments) - 1, -1, -1):
        segment = segments[index]
        for found in reversed(list(_CODE.finditer(segment))):
            row = table.get(found[1])
            rest = segment[found.end() :].strip(_EDGES)
            town = table.town_named(rest)
            before = segment[: found.start()].strip(_EDGES)
            if row is None or (before and not (town and table.belongs(row.code, town))):
                continue
            kept = [before, "" if town else rest]
            return row, town, [*segments[:index], *(part for part in kept if part), *segments[index + 1 :]]
    return None, None, segments


def _take_town(
    segments: list[str],
    table: PostalCodes,
    known: str | None,
    code: PostalCode | None,
) -> tuple[str | None, list[str]]:
    """Town that ends the address: a segment of its own, or the last words after a house number."""
    if not segments:
        return None, segments
    *others, last = segments
    town = table.town_named(last)
    if town is not None and (others or known or code is not None or not _STREET.search(last)):
        return town, others
    words = last.split()
    for count in range(min(_LONGEST_TOWN_WORDS, len(words) - 1), 0, -1):
        town = table.town_named(" ".join(words[-count:]))
        house_number = re.fullmatch(r"\d+\s*[A-Za-z]?", words[-count - 1])
        if town is not None and house_number:
            return town, [*others, " ".join(words[:-count]).strip(_EDGES)]
    return None, segments


def _agree(
    code: PostalCode | None,
    town: str | None,
    words: PlaceWords,
    table: PostalCodes,
    doubts: list[str],
) -> tuple[PostalCode | None, str | None]:
    """Make code and town say the same; where they do not, the municipality decides, else the code."""
    if code is None:
        only = table.only_code_of(town) if town else None
        return only, town
    if town is None or table.belongs(code.code, town):
        return code, code.town
    municipality = municipality_name(words.municipality) or ""
    rows = table.codes_of(town)
    in_municipality = {fold(row.municipality) for row in rows}
    if municipality and fold(municipality) != fold(code.municipality) and fold(municipality) in in_municipality:
        doubts.append(f"postal code {code.code} is not of {town}, which lies in {municipality}; the code was left out")
        return table.only_code_of(town), town
    doubts.append(f"{town} does not have postal code {code.code}, {code.town} does; the code was believed")
    return code, code.town


def _without_repetition(segments: list[str], town: str | None) -> list[str]:
    """Street line without the town (it has a field) and without saying anything twice."""
    kept: list[str] = []
    seen = {fold(town)} if town else set()
    for segment in segments:
        folded = fold(segment)
        if folded and folded not in seen:
            kept.append(segment)
            seen.add(folded)
    return kept


def municipality_name(text: str | None) -> str | None:
    """Short form of a municipality: `Lolland Kommune` → `Lolland`."""
    name = clean(text)
    return re.sub(r"\s+kommune$", "", name, flags=re.IGNORECASE) if name else None
