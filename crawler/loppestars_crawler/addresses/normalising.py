"""One address from what a source said about a place: street, postal code and town that agree with each other.

Pure: the same words give the same address, and an address put through again comes out unchanged. A town is only what
the postal-code table knows as one, never a street, a venue or a country; what cannot be placed stays in the street
line, so nothing that a person could use is lost.
"""

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from loppestars_core.kit.folding import fold
from loppestars_core.places.gazetteer import Kind, danish_places
from loppestars_core.places.points import Point
from loppestars_core.places.postal_codes import PostalCode, PostalCodes, danish_postal_codes
from loppestars_core.places.spelling import street_key
from loppestars_crawler.addresses.evidence import Belief, Evidence, evidence_in
from loppestars_crawler.addresses.segments import (
    CODE,
    EDGES,
    STREET,
    split_line,
    take_code,
    take_town,
    without_repetition,
)
from loppestars_crawler.text import clean

_ABROAD: Final = re.compile(
    r"\b(?:sverige|sweden|schweden|skåne|malmö|helsingborg|norge|norway|tyskland|germany|deutschland|flensborg"
    r"|flensburg|hamburg|kiel|polen|poland|island|færøerne|grønland)\b",
    re.IGNORECASE,
)


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
    municipality: str | None = field(default=None, compare=False)
    doubts: tuple[str, ...] = field(default=(), compare=False)
    reasons: tuple[str, ...] = field(default=(), compare=False)
    """What decided the postal code or town, the strongest first."""
    codes: frozenset[str] = field(default=frozenset(), compare=False)
    """All postal codes that it may be in: one when it is known."""

    @property
    def key(self) -> str:
        """The same for two spellings of one address; empty when nothing is known of the place."""
        parts = (street_key(self.street), self.postal_code or "", fold(self.city or ""))
        return "|".join(parts) if any(parts) else ""

    @property
    def line(self) -> str:
        """As on a letter: `Østergade 18, 4900 Nakskov`."""
        town = " ".join(part for part in (self.postal_code, self.city) if part)
        return ", ".join(part for part in (self.street, town) if part)


@lru_cache(maxsize=2_000)
def normalise_address(words: PlaceWords, point: Point | None = None) -> Address:
    """Bring the parts of an address in order and make them agree with the postal-code table.

    A point decides only between places of one name, it never overrules words. The dates of a market share their words.
    """
    address = _normalise_once(words, point)
    # What one pass takes from the end of the street line may lay bare another code or town ("1001 1001").
    while (again := _normalise_once(PlaceWords(address.street, address.city, address.postal_code), None)) != address:
        if len(again.street or "") >= len(address.street or ""):
            break
        address = replace(
            again, municipality=address.municipality, doubts=address.doubts, reasons=address.reasons, codes=again.codes
        )
    return address


def is_abroad(words: PlaceWords) -> bool:
    """Return whether the words name a place in another country; an address with a Danish postal code is not asked."""
    said = (words.address, words.city, words.municipality)
    return any(_ABROAD.search(text) for text in said if text)


def municipality_name(text: str | None) -> str | None:
    """Return the short form of a municipality (`Lolland Kommune` → `Lolland`); of an unknown one, what was said."""
    name = clean(text)
    if not name:
        return None
    return danish_postal_codes().municipality_named(name) or re.sub(r"\s+kommune$", "", name, flags=re.IGNORECASE)


def _normalise_once(words: PlaceWords, point: Point | None) -> Address:
    table, doubts = danish_postal_codes(), list[str]()
    segments = split_line(words.address)
    code = _field_code(words.postal_code, table, doubts)
    field_town = _field_town(words, table, doubts)
    code_in_text, town_in_text, segments = take_code(segments, table)
    code = code or code_in_text
    town_at_end, segments = take_town(segments, table, known=field_town is not None or code is not None)
    town = field_town or town_in_text or town_at_end
    belief = _weigh(words, code, town, segments)
    if point is not None and len(belief.codes) > 1:
        belief.narrow_by_point(point)
    settled = belief.settled
    city = settled.town if settled else belief.town
    segments = _with_locality(segments, words.city, city, table)
    street = ", ".join(without_repetition(segments, city))
    municipality = settled.municipality if settled else belief.municipality
    return Address(
        street=clean(street.strip(EDGES)),
        postal_code=settled.code if settled else None,
        city=city,
        municipality=municipality or table.municipality_named(words.municipality),
        doubts=tuple(doubts + belief.doubts),
        reasons=tuple(belief.reasons),
        codes=frozenset({settled.code}) if settled else belief.codes,
    )


def _weigh(words: PlaceWords, code: PostalCode | None, town: str | None, segments: list[str]) -> Belief:
    """Weigh code, town, municipality and the names in all texts, in this order."""
    table = danish_postal_codes()
    belief = Belief(table)
    municipality = table.municipality_named(words.municipality)
    code = _agreeing(code, town, municipality, belief.doubts)
    if code is not None:
        belief.weigh(Evidence(frozenset({code.code}), f"the postal code {code.code}"))
    if town is not None:
        codes = frozenset(row.code for row in table.codes_of(town))
        only = table.only_code_of(town)
        belief.weigh(Evidence(codes, f"the town {town}", only.code if only else None, is_town=True))
    if municipality is not None:
        said = f"the municipality {municipality}"
        beside = f"{said} has none of the postal codes of {town or 'the address'}"
        belief.weigh(Evidence(table.codes_in(municipality), said), doubt=beside)
    for text in (words.venue, words.name):
        row, its_town, _ = take_code([text or ""], table)
        if row is not None and its_town is not None:
            belief.weigh(Evidence(frozenset({row.code}), f"{row.code} {its_town} in the name or venue"))
    city = None if town is not None and table.town_named(words.city) else words.city
    texts = {"city": city, "address": ", ".join(segments), "venue": words.venue, "name": words.name}
    if municipality is None:
        texts["municipality"] = words.municipality
    for evidence in evidence_in(texts, danish_places()):
        belief.weigh(evidence)
    return belief


def _field_code(text: str | None, table: PostalCodes, doubts: list[str]) -> PostalCode | None:
    """Return the postal code of the field that is meant for it."""
    value = clean(text)
    if value is None:
        return None
    found = CODE.search(value)
    row = table.get(found[1]) if found else None
    if row is None:
        doubts.append(f"postal code {value[:20]!r} does not exist in Denmark")
    return row


def _field_town(words: PlaceWords, table: PostalCodes, doubts: list[str]) -> str | None:
    """Return the town of the field that is meant for it, unless it holds a street, a venue or a country."""
    value = ", ".join(split_line(CODE.sub(" ", words.city or "")))
    if not value:
        return None
    town = table.town_named(value)
    if town is not None:
        return town
    meant = None if danish_places().named(value) else danish_places().nearly_named(value)
    if meant is not None and (town := table.town_named(meant)) is not None:
        doubts.append(f"city {value[:60]!r} was read as {town}")
        return town
    folded = fold(value)
    if folded in {fold(words.venue or ""), fold(words.name or "")}:
        doubts.append(f"city {value[:60]!r} is the name of the venue")
    elif folded == fold(words.address or "") or STREET.search(value):
        doubts.append(f"city {value[:60]!r} is a street")
    else:
        doubts.append(f"city {value[:60]!r} is not in the postal-code table")
    return None


def _agreeing(
    code: PostalCode | None,
    town: str | None,
    municipality: str | None,
    doubts: list[str],
) -> PostalCode | None:
    """Return the code unless town and municipality agree against it; where only the town does, the code is believed."""
    table = danish_postal_codes()
    if code is None or town is None or table.belongs(code.code, town):
        return code
    of_town = {row.municipality for row in table.codes_of(town)}
    if municipality is not None and municipality != code.municipality and municipality in of_town:
        doubts.append(f"postal code {code.code} is not of {town}, which lies in {municipality}; the code was left out")
        return None
    doubts.append(f"{town} does not have postal code {code.code}, {code.town} does; the code was believed")
    return code


def _with_locality(segments: list[str], said: str | None, city: str | None, table: PostalCodes) -> list[str]:
    """Return the street line with the village that a source gave as the town: `Skovvej 2, Ulkebøl`."""
    village = ", ".join(split_line(CODE.sub(" ", said or "")))
    if not village or city is None or table.town_named(village):
        return segments
    known = fold(", ".join(segments))
    meant = {place.kind for place in danish_places().named(village)}
    is_village = bool(meant) and Kind.TOWN not in meant
    return [*segments, village] if is_village and segments and fold(village) not in known else segments
