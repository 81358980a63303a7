"""What the words of a place say about its postal code, weighed: a code, a town, a municipality, names in its texts.

Each piece of evidence is a set of codes that it allows. The strongest is believed, every other narrows what is left
of it or, where nothing would be left, is named as a doubt.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from loppestars_core.places.gazetteer import Gazetteer, Kind
from loppestars_core.places.points import MAX_FROM_CENTRE_KM, Point, distance_km
from loppestars_core.places.postal_codes import PostalCode, PostalCodes

# Of a text, the more certain kinds first; a street's name is in many towns.
_TIERS: Final = (
    frozenset({Kind.TOWN, Kind.DISTRICT, Kind.ISLAND, Kind.LOCALITY}),
    frozenset({Kind.LANDMARK}),
    frozenset({Kind.STREET}),
    frozenset({Kind.AREA}),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Codes that something said allows, the one to assume among them, and how it is explained to a person."""

    codes: frozenset[str]
    why: str
    assumed: str | None = None
    is_town: bool = False
    """A whole town: a place within its municipality is closer, not a contradiction."""


@dataclass(slots=True)
class Belief:
    """What is left after the evidence so far."""

    table: PostalCodes
    codes: frozenset[str] = frozenset()
    assumed: str | None = None
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    _of_town: bool = False

    def weigh(self, evidence: Evidence, *, doubt: str | None = None) -> None:
        """Narrow the codes by a piece of evidence; `doubt` is noted when it contradicts what is believed."""
        if not evidence.codes:
            return
        both = self.codes & evidence.codes if self.codes else evidence.codes
        if not both and self._of_town:
            both = evidence.codes & self._around()
        if not both:
            if doubt:
                self.doubts.append(doubt)
            return
        if both != self.codes or (evidence.assumed in both and self.settled is None):
            self.reasons.append(evidence.why)
            self._of_town = evidence.is_town
        if evidence.assumed in both:
            self.assumed = evidence.assumed
        elif self.assumed not in both:
            self.assumed = None
        self.codes = both

    def narrow_by_point(self, point: Point) -> None:
        """Keep the codes near a point, where some are and others are not."""
        near = frozenset(
            code for code in self.codes if distance_km(self.table.by_code[code].centre, point) <= MAX_FROM_CENTRE_KM
        )
        if near and near != self.codes:
            self.codes = near
            self.assumed = self.assumed if self.assumed in near else None
            self.reasons.append("the coordinates are near it")

    @property
    def settled(self) -> PostalCode | None:
        """The one code that is left, or the one to assume."""
        if len(self.codes) == 1:
            return self.table.by_code[next(iter(self.codes))]
        return self.table.get(self.assumed)

    @property
    def town(self) -> str | None:
        """The one town of all codes that are left, undivided where they are of several districts."""
        for town_of in (lambda code: self.table.by_code[code].town, self.table.large_town_of):
            towns = {town_of(code) for code in self.codes}
            if len(towns) == 1:
                return self.table.town_named(towns.pop())
        return None

    @property
    def municipality(self) -> str | None:
        """The one municipality of all codes that are left."""
        names = {self.table.by_code[code].municipality for code in self.codes}
        return names.pop() if len(names) == 1 else None

    def _around(self) -> frozenset[str]:
        """Return the codes of all municipalities of a divided town: Moesgaard is in Aarhus, not in "Aarhus C"."""
        divided = {code for code in self.codes if self.table.large_town_of(code) != self.table.by_code[code].town}
        names = {self.table.by_code[code].municipality for code in divided}
        return frozenset().union(*(self.table.codes_in(name) for name in names))


def evidence_in(texts: dict[str, str | None], places: Gazetteer) -> Iterator[Evidence]:
    """Yield what the names in texts say, the most certain kind first, and of each kind the first text first."""
    mentions = [(source, mention) for source, text in texts.items() for mention in places.mentions(text)]
    for tier in _TIERS:
        for source, mention in mentions:
            if mention.kind in tier and (mention.expected or not mention.ambiguous_word):
                # A town's namesakes among landmarks count only where something else points at them.
                likely = [place.assumed for place in mention.places if place.kind in tier and place.assumed]
                why = f"{mention.text!r} in the {source}"
                assumed = likely[0] if likely else mention.assumed
                yield Evidence(mention.codes, why, assumed, is_town=mention.kind is Kind.TOWN)
