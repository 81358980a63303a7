"""Houses, halls and squares of listings: whether two name the same one. Pure."""

import re
from functools import lru_cache
from typing import Final

from rapidfuzz import fuzz

from loppestars_core.kit.folding import fold
from loppestars_core.markets.listing import Listing
from loppestars_core.markets.names import is_specific, read_name
from loppestars_core.places.gazetteer import Kind, danish_places
from loppestars_core.places.spelling import street_key

_MIN_STREETS_ALIKE: Final = 88.0
_STREET: Final = re.compile(
    r"^(?=\W*+[^\W\d])(?P<street>\s*+[^\s\d]++(?:\s++[^\s\d]++)*+)\s++"
    r"(?P<first>\d+)[a-z]?(?:\s+(?P<last>\d+)[a-z]?)?\b"
)
_STREET_WORD: Final = re.compile(r"(?:vej|gade|alle|torv|plads|straede|boulevard|vaenget|stien|torvet|pladsen|vejen)$")


@lru_cache(maxsize=20_000)
def house_of(address: str) -> tuple[str, int, int] | None:
    """Return street and house numbers of a street line, if it has both, the numbers 0 where it has none."""
    for part in address.split(","):
        key = street_key(part)
        if found := _STREET.match(key):
            first = int(found["first"])
            return found["street"], first, int(found["last"] or first)
        if _STREET_WORD.search(key):
            return key, 0, 0
    return None


def same_house(one: Listing, other: Listing) -> bool | None:
    """Return True for one house, False for different streets or numbers, None where they do not say."""
    house, other_house = house_of(one.address or ""), house_of(other.address or "")
    if house is None or other_house is None:
        return None
    if fuzz.ratio(house[0], other_house[0]) < _MIN_STREETS_ALIKE:
        return False
    if not house[1] or not other_house[1]:
        return None
    return house[1] <= other_house[2] and other_house[1] <= house[2]


def shared_venue(one: Listing, other: Listing) -> str | None:
    """Return the hall or square that both name, if one does: Remisen is one hall under three addresses."""
    landmarks = landmarks_of(one) & landmarks_of(other)
    if landmarks:
        return min(landmarks)
    if one.venue and fold(one.venue) == fold(other.venue or "") and is_specific(read_name(one.venue).words):
        return one.venue
    return None


def landmarks_of(listing: Listing) -> frozenset[str]:
    """Return the known halls and squares that a listing names."""
    return _landmarks_in(f"{listing.name}; {listing.venue or ''}; {listing.address or ''}")


@lru_cache(maxsize=20_000)
def _landmarks_in(text: str) -> frozenset[str]:
    return frozenset(
        fold(mention.text).removesuffix("s")
        for mention in danish_places().mentions(text)
        if mention.kind is Kind.LANDMARK
    )
