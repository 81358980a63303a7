"""Names of Danish places and the postal codes that each may mean: towns, districts, islands, halls, squares, regions.

The postal table knows towns; `data/denmark_places.tsv` knows what people write instead. A name may mean several
places: the codes are all of them, and what else is known of an address decides.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from rapidfuzz.distance import OSA

from loppestars_core.kit.folding import fold_words
from loppestars_core.places.postal_codes import PostalCodes, danish_postal_codes
from loppestars_core.places.spelling import spelled_out

_MAX_NAME_WORDS: Final = 6
_WORD: Final = re.compile(r"\w+")
_SEPARATOR: Final = re.compile(r"[,;()|/\n:•·\u2013\u2014]|\s-\s")

# A town stands here before: "loppemarked i Ry", "ved Vig".
_BEFORE_A_TOWN: Final = frozenset({"i", "pa", "ved", "til", "fra", "omkring", "naer", "by", "in", "at"})
# And before these: "Ry Hallen", "Give Loppemarked". Compounds end in them: "Glostruphallen".
_VENUE_STEMS: Final = (
    *("hal", "skole", "kirke", "center", "centr", "torv", "havn", "museum", "kro", "park", "station", "stadion"),
    *("marked", "loppe", "antik", "kraemmer", "forsamling", "idraet", "kultur", "gard", "messe", "arena", "slot"),
    *("plads", "bibliotek", "festival", "by", "sport", "fritid", "gymnasi", "efterskole", "hojskole", "medborger"),
    *("speedway", "bowling", "camping", "marina", "strand", "spejder", "roklub", "borger", "dyrskue", "ungdom"),
)
_COMPOUND_STEMS: Final = tuple(stem for stem in _VENUE_STEMS if stem not in {"by", "strand"})
# After a town these make a road that leads there from elsewhere: "Roskilde Landevej" is in Valby.
_ROADS_TO: Final = frozenset({"landevej", "landevejen", "hovedvej", "motorvej", "motorvejen", "chausse", "ringvej"})
_SHORT: Final = 3
# After a genitive these are named after a person: "Kjellerups Torv" is in Aalborg.
_OF_PERSONS: Final = frozenset({"torv", "plads", "gade", "vej", "alle", "straede", "boulevard", "gard", "minde"})
_MIN_MISTYPED: Final = 6


class Kind(StrEnum):
    """How closely a name says where something is."""

    TOWN = "town"
    DISTRICT = "district"
    ISLAND = "island"
    LOCALITY = "locality"
    LANDMARK = "landmark"
    STREET = "street"
    AREA = "area"


@dataclass(frozen=True, slots=True)
class Place:
    """One meaning of a name: the postal codes that it may be in, and the one to assume where nothing else decides."""

    name: str
    kind: Kind
    codes: frozenset[str]
    assumed: str | None = None


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a text. An expected one stands where places stand: alone, after "i", before "Hallen"."""

    text: str
    places: tuple[Place, ...]
    expected: bool
    ambiguous_word: bool
    """Also a word of the language, or too short to be sure of."""

    @property
    def codes(self) -> frozenset[str]:
        """All codes that the name may mean."""
        return frozenset().union(*(place.codes for place in self.places))

    @property
    def kind(self) -> Kind:
        """The kind of its first meaning."""
        return self.places[0].kind

    @property
    def assumed(self) -> str | None:
        """The code to assume: the town's own, else that of the first meaning that has one."""
        return next((place.assumed for place in self.places if place.assumed), None)


@dataclass(frozen=True, slots=True)
class _Token:
    word: str
    start: int
    end: int


class Gazetteer:
    """Places by name, and the names in a text."""

    def __init__(self, places: list[Place], table: PostalCodes) -> None:
        """Index `places` after the towns of `table`, which come first where both have a name."""
        self._places: dict[str, list[Place]] = defaultdict(list)
        for name, town in table.towns.items():
            codes = frozenset(row.code for row in table.codes_of(town))
            only = table.only_code_of(town)
            self._add(name, Place(town, Kind.TOWN, codes, only.code if only else None))
        for name, towns in table.namesakes.items():
            if name not in self._places:
                codes = frozenset(row.code for town in towns for row in table.codes_of(town))
                self._add(name, Place(name, Kind.TOWN, codes))
        for name in table.municipalities:
            if _key(name) not in self._places:
                self._add(name, Place(name, Kind.AREA, table.codes_in(name)))
        for place in places:
            self._add(place.name, place)

    @property
    def names(self) -> frozenset[str]:
        """Every name, folded and with abbreviations written out."""
        return frozenset(self._places)

    def named(self, text: str) -> tuple[Place, ...]:
        """Return the places of exactly this name; of a genitive those of the name itself."""
        key = _key(text)
        return tuple(self._places.get(key) or self._places.get(key.removesuffix("s")) or ())

    def nearly_named(self, text: str) -> str | None:
        """Return the one name of a town that is a single typing error away (`roskile`), or None."""
        key = _key(text)
        if len(key) < _MIN_MISTYPED or not key.isascii():
            return None
        towns = (name for name, places in self._places.items() if places[0].kind is Kind.TOWN and name[0] == key[0])
        near = {self._places[name][0].name for name in towns if OSA.distance(key, name, score_cutoff=1) <= 1}
        return near.pop() if len(near) == 1 else None

    def mentions(self, text: str | None) -> Iterator[Mention]:
        """Yield the names in a text from left to right, the longest where several begin."""
        plain = unicodedata.normalize("NFC", text or "")
        tokens = [
            _Token(word, found.start(), found.end()) for found in _WORD.finditer(plain) for word in _folded(found[0])
        ]
        index = 0
        while index < len(tokens):
            mention, taken = self._mention_at(tokens, index, plain)
            if mention is not None:
                yield mention
            index += taken

    def _mention_at(self, tokens: list[_Token], index: int, text: str) -> tuple[Mention | None, int]:
        for count in range(min(_MAX_NAME_WORDS, len(tokens) - index), 0, -1):
            phrase = tokens[index : index + count]
            name = " ".join(token.word for token in phrase)
            compound = count == 1 and name not in self._places
            bare = name.removesuffix("s")
            genitive = self._places.get(bare) if len(bare) >= _SHORT else None
            places = self._places.get(name) or genitive or (self._compound(name) if compound else None)
            if not places:
                continue
            following = tokens[index + count].word if index + count < len(tokens) else ""
            person = name not in self._places and following in _OF_PERSONS
            if person or (following in _ROADS_TO and places[0].kind is not Kind.STREET):
                return None, count + 1
            expected = (
                _is_a_segment(text[: phrase[0].start], text[phrase[-1].end :])
                or count > 1
                or (index > 0 and tokens[index - 1].word in _BEFORE_A_TOWN)
                or following.startswith(_VENUE_STEMS)
            )
            doubtful = count == 1 and (name in _ambiguous_words() or len(name) <= _SHORT)
            written = text[phrase[0].start : phrase[-1].end]
            return Mention(written, tuple(places), expected, doubtful), count
        return None, 1

    def _compound(self, word: str) -> list[Place] | None:
        """Return the town that a compound begins with, the longest: `glostruphallen`, `kalundborgskolen`."""
        for end in range(len(word) - _SHORT, _SHORT, -1):
            rest = word[end:]
            if rest.startswith(_COMPOUND_STEMS) or rest.removeprefix("s").startswith(_COMPOUND_STEMS):
                towns = [place for place in self._places.get(word[:end], ()) if place.kind is Kind.TOWN]
                if towns and word[:end] not in _ambiguous_words():
                    return towns
        return None

    def _add(self, name: str, place: Place) -> None:
        known = self._places[_key(name)]
        if all(place.codes != other.codes for other in known):
            known.append(place)


@cache
def danish_places() -> Gazetteer:
    """Return the gazetteer that is part of the package, read once."""
    table = danish_postal_codes()
    return Gazetteer([place for line in _lines("denmark_places.tsv") for place in _places_of(line, table)], table)


@cache
def _ambiguous_words() -> frozenset[str]:
    """Return names that count only where a place is to be expected, folded."""
    return frozenset(_lines("ambiguous_words.txt"))


def _lines(name: str) -> list[str]:
    text = (files("loppestars_core.places") / "data" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _places_of(line: str, table: PostalCodes) -> Iterator[Place]:
    kind, spans, names = line.split("\t")
    assumed = next((span.rstrip("*") for span in spans.split(",") if span.endswith("*")), None)
    codes: set[str] = set()
    for span in spans.replace("*", "").split(","):
        first, _, last = span.partition("-")
        codes |= {code for code in table.by_code if first <= code <= (last or first)}
    if len(codes) == 1:
        assumed = next(iter(codes))
    for index, name in enumerate(names.split("|")):
        # The first name of a locality is the locality; the others are places within it.
        of_place = Kind.LANDMARK if kind == Kind.LOCALITY and index else Kind(kind)
        yield Place(name, of_place, frozenset(codes), assumed)


@lru_cache(maxsize=20_000)
def _folded(written: str) -> tuple[str, ...]:
    """Return a written word folded and with its abbreviation written out, if it has a letter or digit."""
    return tuple(spelled_out(fold_words(written))[:1])


def _key(name: str) -> str:
    return " ".join(spelled_out(fold_words(name)))


def _is_a_segment(before: str, after: str) -> bool:
    """Return whether commas, dashes or the ends of the text stand before and after."""
    begins = not before.strip() or bool(_SEPARATOR.match(before[::-1].lstrip() or ",")) or before.endswith(" - ")
    return begins and (not after.strip(" .") or bool(_SEPARATOR.match(after.lstrip(" ."))) or after.startswith(" - "))
