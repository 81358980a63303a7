"""The words that searches can find, so that a question with a typing error may be asked again without it."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

from loppestars_core.kit.folding import fold_words
from loppestars_core.markets.search_text import MAX_WORDS
from loppestars_core.places.gazetteer import Kind, danish_places

# A shorter word has too many neighbours, a long one forgives a second error.
_MIN_MISTYPED: Final = 5
_MIN_TWICE_MISTYPED: Final = 10
_PLACES: Final = frozenset({Kind.TOWN, Kind.DISTRICT, Kind.ISLAND, Kind.AREA, Kind.LOCALITY})


class Vocabulary:
    """Words of markets and of Danish places, by first letter."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Know the words of `texts`, as the names of markets, besides those of places."""
        self._by_letter: dict[str, set[str]] = defaultdict(set)
        for word in (*_words_of_places(), *(word for text in texts for word in fold_words(text))):
            self._by_letter[word[0]].add(word)

    def corrected(self, text: str) -> str | None:
        """Return `text` with words that are unknown replaced by their one nearest; None when none is."""
        words = list(dict.fromkeys(fold_words(text)))[:MAX_WORDS]
        meant = list(words)
        for index, word in enumerate(words):
            known = self._by_letter.get(word[0], set())
            if len(word) < _MIN_MISTYPED or word.isdecimal() or any(other.startswith(word) for other in known):
                continue
            errors = 2 if len(word) >= _MIN_TWICE_MISTYPED else 1
            if found := process.extractOne(word, sorted(known), scorer=OSA.distance, score_cutoff=errors):
                meant[index] = found[0]
        return " ".join(meant) if meant != words else None


@cache
def _words_of_places() -> frozenset[str]:
    places = danish_places()
    names = (name for name in places.names if any(place.kind in _PLACES for place in places.named(name)))
    return frozenset(word for name in names for word in fold_words(name))
