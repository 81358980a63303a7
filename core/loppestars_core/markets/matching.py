"""Whether two listings mean the same occurrence of a market, in stages, with reasons. Pure.

Wrongly joining two markets hides one from its visitors, wrongly keeping two shows one twice; the first is worse, so
doubt keeps them apart and is left to an admin.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from loppestars_core.kit.folding import fold
from loppestars_core.markets.listing import Listing, place_words
from loppestars_core.markets.names import is_specific, read_name, shared
from loppestars_core.markets.streets import same_house, shared_venue
from loppestars_core.places.points import distance_km
from loppestars_core.places.postal_codes import danish_postal_codes

SAME: Final = 0.8
"""Least score at which two listings are joined by themselves."""
DOUBTFUL: Final = 0.5
"""From here to `SAME` a pair is shown to admins."""

_SPOT_KM: Final = 0.25
_FAR_KM: Final = 4.0


class Near(IntEnum):
    """How closely two places agree."""

    APART = 0
    UNKNOWN = 1
    TOWN = 2
    AREA = 3
    SPOT = 4


class Named(IntEnum):
    """How closely two names agree."""

    OTHER_KIND = 0
    DIFFERENT = 1
    HALF = 2
    """One of them says nothing but that there is a market."""
    GENERIC = 3
    """Neither says more."""
    ORGANISER = 4
    """They share only who holds it."""
    SIMILAR = 5
    CONTAINED = 6
    EQUAL = 7


_EXPLAINED: Final[Mapping[Named, str]] = {
    Named.DIFFERENT: "different names",
    Named.HALF: "one name only says that there is a market",
    Named.GENERIC: "names that only say that there is a market",
    Named.ORGANISER: "the names share only who holds it",
    Named.SIMILAR: "similar names",
    Named.CONTAINED: "one name holds the other",
    Named.EQUAL: "the same name but for small words",
}
_MIN_SHARED: Final = 0.5
"""Share of words that two similar names have in common."""

# What names and places are worth together; what is not here is worth nothing.
_SCORES: Final[Mapping[tuple[Near, Named], float]] = {
    (Near.SPOT, Named.EQUAL): 1.0,
    (Near.SPOT, Named.CONTAINED): 0.97,
    (Near.SPOT, Named.SIMILAR): 0.92,
    (Near.SPOT, Named.ORGANISER): 0.9,
    (Near.SPOT, Named.GENERIC): 0.9,
    (Near.SPOT, Named.HALF): 0.88,
    (Near.SPOT, Named.DIFFERENT): 0.6,
    (Near.AREA, Named.EQUAL): 0.95,
    (Near.AREA, Named.CONTAINED): 0.9,
    (Near.AREA, Named.SIMILAR): 0.78,
    (Near.AREA, Named.ORGANISER): 0.7,
    (Near.AREA, Named.GENERIC): 0.6,
    (Near.AREA, Named.HALF): 0.55,
    (Near.TOWN, Named.EQUAL): 0.88,
    (Near.TOWN, Named.CONTAINED): 0.82,
    (Near.TOWN, Named.SIMILAR): 0.6,
    (Near.TOWN, Named.ORGANISER): 0.55,
    (Near.UNKNOWN, Named.EQUAL): 0.7,
    (Near.UNKNOWN, Named.CONTAINED): 0.5,
}


@dataclass(frozen=True, slots=True)
class Match:
    """The judgement on two listings; `reasons` are for a person, the deciding one last."""

    score: float
    reasons: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether they are joined without being asked about."""
        return self.score >= SAME

    @property
    def doubtful(self) -> bool:
        """Whether an admin should decide."""
        return DOUBTFUL <= self.score < SAME


def compare(one: Listing, other: Listing) -> Match:
    """Return whether two listings are one occurrence: by days, then place, streets, and names."""
    if one.start_date != other.start_date:
        return Match(0.0, (f"they begin on different days, {one.start_date} and {other.start_date}",))
    reasons = ["the same days" if one.end_date == other.end_date else "the same first day, another last day"]
    near, why = _places(one, other)
    reasons.append(why)
    if near is Near.APART:
        return Match(0.05, tuple(reasons))
    venue = shared_venue(one, other)
    streets = same_house(one, other)
    named, why = _names(one, other, venue)
    if named is Named.OTHER_KIND:
        return Match(0.1, (*reasons, why))
    if streets is False:
        reasons.append(f"different addresses: {one.address!r} and {other.address!r}")
        if venue is None or named in {Named.DIFFERENT, Named.ORGANISER}:
            return Match(0.2, tuple(reasons))
        near = Near.AREA
    elif streets is True and near >= Near.TOWN:
        reasons.append("the same house")
        near = Near.SPOT
    if venue is not None and near >= Near.TOWN:
        reasons.append(f"the same venue, {venue}")
        near = Near.SPOT
    score = _SCORES.get((near, named), 0.1)
    if one.end_date != other.end_date:
        score -= 0.1
    return Match(round(score, 2), (*reasons, why))


def _places(one: Listing, other: Listing) -> tuple[Near, str]:
    """Compare exact points, then postal codes, then towns or municipalities."""
    distance = distance_km(one.point, other.point) if one.point and other.point else None
    if distance is not None and distance > _FAR_KM:
        return Near.APART, f"{distance:.1f} km apart"
    if distance is not None and distance <= _SPOT_KM:
        return Near.SPOT, f"{distance * 1000:.0f} m apart"
    code, other_code = one.postal_code, other.postal_code
    if not code or not other_code:
        return _towns_or_municipalities(one, other)
    if code == other_code:
        return Near.AREA, f"the same postal code, {code}"
    table = danish_postal_codes()
    known = table.get(code) is not None and table.get(other_code) is not None
    if known and table.large_town_of(code) == table.large_town_of(other_code):
        return Near.TOWN, f"postal codes of one town, {code} and {other_code}"
    return Near.APART, f"different postal codes, {code} and {other_code}"


def _towns_or_municipalities(one: Listing, other: Listing) -> tuple[Near, str]:
    towns = one.towns, other.towns
    if all(towns):
        if not towns[0] & towns[1]:
            return Near.APART, f"different towns, {one.city} and {other.city}"
        known = (one.postal_code or other.postal_code) and fold(one.city or "") == fold(other.city or "")
        return (Near.AREA if known else Near.TOWN), f"the same town, {one.city}"
    municipalities = {one.known_municipality, other.known_municipality}
    if "" in municipalities:
        return Near.UNKNOWN, "nothing says whether they are in one town"
    if len(municipalities) == 1:
        return Near.TOWN, f"the same municipality, {one.municipality or other.municipality}"
    return Near.APART, "different municipalities"


def _names(one: Listing, other: Listing, venue: str | None) -> tuple[Named, str]:
    """Compare the telling words of two names, without the words of their place."""
    name, other_name = read_name(one.name), read_name(other.name)
    quoted = f"{one.name!r} and {other.name!r}"
    # Of another kind: both say it, or one says it and the other says flea market.
    if name.kinds != other_name.kinds and not name.kinds & other_name.kinds:
        return Named.OTHER_KIND, f"markets of different kinds: {quoted}"
    place = place_words(one) | place_words(other)
    named = _telling(name.without(place), other_name.without(place), venue)
    if named in {Named.GENERIC, Named.HALF} and name.is_fair != other_name.is_fair:
        return Named.DIFFERENT, f"a fair and a flea market: {quoted}"
    if named is Named.GENERIC and name.words & other_name.words:
        named = Named.EQUAL
    return named, f"{_EXPLAINED[named]}: {quoted}"


def _telling(words: frozenset[str], others: frozenset[str], venue: str | None) -> Named:
    """Return how closely two sets of telling words agree, in whatever form the words are."""
    if not words or not others:
        return Named.HALF if words or others else Named.GENERIC
    common, other_common = shared(words, others), shared(others, words)
    whole = (common == words) + (other_common == others)
    if whole == 2:  # noqa: PLR2004 - both
        return Named.EQUAL
    if whole:
        return Named.CONTAINED if is_specific(common) or venue is not None else Named.ORGANISER
    part = (len(common) + len(other_common)) / (len(words) + len(others))
    return Named.SIMILAR if part >= _MIN_SHARED and is_specific(common) else Named.DIFFERENT
