"""What the name of a market says of which market it is, apart from that it is a flea market."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

from rapidfuzz import fuzz

from loppestars_core.kit.folding import fold_words
from loppestars_core.places.spelling import spelled_out

_MIN_ALIKE: Final = 84.0
_MIN_FORM: Final = 4
_HALLS: Final = ("hallernes", "hallerne", "hallens", "hallen", "hal")
_ACRONYM: Final = re.compile(r"\b(?:[^\W\d_]\.){2,10}")
_INFLECTIONS: Final = frozenset(
    {"s", "e", "n", "r", "en", "et", "er", "ne", "es", "ens", "ets", "ers", "erne", "ernes", "nes", "hallen", "hal"}
)


@cache
def _words() -> dict[str, tuple[str, ...]]:
    """Return the word lists of the package: small words, kinds, endings of kinds, organisers, and other kinds."""
    text = (files("loppestars_core.markets") / "data" / "danish_words.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {name: tuple(words.split()) for name, words in rows}


@cache
def _other_kinds() -> dict[str, str]:
    """Return words that name a market of another kind: the Christmas market is not the flea market."""
    prefix = "other "
    return {
        word: name.removeprefix(prefix) for name, words in _words().items() if name.startswith(prefix) for word in words
    }


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart: its telling words, and the kinds of market that it names beyond a flea market."""

    words: frozenset[str]
    kinds: frozenset[str]
    is_fair: bool
    """A "Marked" with stalls and rides, and not by its name a flea market."""

    def without(self, words: frozenset[str]) -> frozenset[str]:
        """Return the telling words that are not of a place: sources add the town or leave it out."""
        return self.words - words


@lru_cache(maxsize=20_000)
def read_name(name: str) -> Name:
    """Return the telling words of a name: no kinds of market, dates, numbers or little words."""
    words, kinds = set(), set()
    says_nothing = {*_words()["small"], *_words()["kind"]}
    said = spelled_out(fold_words(_ACRONYM.sub(lambda found: found[0].replace(".", ""), name)))
    for word in said:
        for part in _parts(word):
            if kind := _other_kinds().get(part):
                kinds.add(kind)
            elif part not in says_nothing and not part.isdecimal():
                words.add(part)
    named = [_kind_of(word) for word in said]
    is_fair = not kinds and "fair" in named and "flea" not in named
    return Name(frozenset(words), frozenset(kinds), is_fair)


def alike(one: str, other: str) -> bool:
    """Return whether two words are one in another form or with a typing error: spejdernes, spejderne, spejder."""
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < _MIN_FORM:
        return longer == shorter + "s" and len(shorter) > 1
    inflected = longer.startswith(shorter) and longer[len(shorter) :] in _INFLECTIONS
    return inflected or (shorter[0] == longer[0] and fuzz.ratio(one, other) >= _MIN_ALIKE)


def shared(words: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """Return the words that have one alike among the others."""
    return frozenset(word for word in words if word in others or any(alike(word, other) for other in others))


def is_specific(words: frozenset[str]) -> bool:
    """Return whether a word is more than who holds the market: "Remisen", not "Spejdernes"."""
    return any(not word.startswith(_words()["organiser"]) for word in words)


def _parts(word: str) -> list[str]:
    """Return a compound without its kind of market, halls apart: `havneloppemarked` says `havne`."""
    if word in _words()["kind"]:
        return []
    for ending in _words()["ending"]:
        if word.endswith(ending) and word != ending:
            return [word.removesuffix(ending)]
    for ending in _HALLS:
        if word.endswith(ending):
            return [part for part in (word.removesuffix(ending), "hal") if part]
    return [word]


def _kind_of(word: str) -> str | None:
    """Return "fair" or "flea" for a word that names a kind of market."""
    ending = next((ending for ending in _words()["ending"] if word.endswith(ending)), word)
    if ending in _words()["fair"]:
        return "fair"
    return "flea" if ending in _words()["kind"] else None
