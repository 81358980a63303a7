"""The words under which a market is found, and the question that asks for them, forgiving how places are said.

A market is found by each word of its texts from any of its letters on, and by its postal code as `@2100`, which no
typed word can be. A place in a question asks for its postal codes too: `Funen` and `Fyn` for `@5`, `kbh` for all of
Copenhagen.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from loppestars_core.kit.folding import fold_words
from loppestars_core.places.gazetteer import Kind, Place, danish_places
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_core.places.spelling import spelled_out

MAX_WORDS: Final = 8
"""More different words than this are not asked for: each costs the index a look-up."""

# A shorter ending would match nearly everything and only make the index larger.
_MIN_ENDING: Final = 3
_MAX_PLACE_WORDS: Final = 4
_CODE: Final = "@"
_WIDE: Final = frozenset({Kind.TOWN, Kind.DISTRICT, Kind.ISLAND, Kind.AREA})


def search_terms(texts: Iterable[str | None], postal_code: str | None = None) -> list[str]:
    """Return the lexemes under which a market is found: each word and its endings, and its postal code."""
    terms: set[str] = {f"{_CODE}{postal_code}"} if postal_code and postal_code.isalnum() else set()
    for text in texts:
        for word in fold_words(text or ""):
            last = max(len(word) - _MIN_ENDING, 0)
            terms.update(word[start:] for start in range(last + 1))
    return sorted(terms)


@lru_cache(maxsize=1_000)
def search_query(text: str) -> str | None:
    """Return the `tsquery` that asks for every word or place of `text`; None when `text` has no word."""
    words = list(dict.fromkeys(fold_words(text)))[:MAX_WORDS]
    asked: list[str] = []
    index = 0
    while index < len(words):
        # The longest name of a place first.
        for count in range(min(_MAX_PLACE_WORDS, len(words) - index), 0, -1):
            said = words[index : index + count]
            if alternatives := _place(said):
                asked.append("(" + " | ".join([_all(said), *alternatives]) + ")")
                break
        else:
            count, said = 1, words[index : index + 1]
            written = spelled_out(said)
            asked.append(_all(said) if written == said else f"({_all(said)} | {_all(written)})")
        index += count
    return " & ".join(asked) or None


def _place(words: list[str]) -> list[str]:
    """Return what else a place asks for: its names and its postal codes; nothing where the words are no place."""
    name = " ".join(words).removesuffix(" kommune")
    table = danish_postal_codes()
    if row := table.get(name):
        return [f"'{_CODE}{row.code}'", _all(fold_words(table.large_town_of(row.code)))]
    wide = [place for place in danish_places().named(name) if place.kind in _WIDE]
    codes = frozenset().union(*(place.codes for place in wide))
    names = {_all(fold_words(said)) for place in wide for said in _names(place)} - {_all(words)}
    return [*sorted(names), *(f"'{_CODE}{prefix}':*" for prefix in _prefixes(codes))]


def _names(place: Place) -> list[str]:
    """Return the names that markets without a postal code have of a place: its own, or its municipalities'."""
    if place.kind is not Kind.AREA:
        return [place.name]
    table = danish_postal_codes()
    inside = [name for name in table.municipalities if table.codes_in(name) <= place.codes]
    return [place.name, *inside]


@lru_cache(maxsize=2_000)
def _prefixes(codes: frozenset[str]) -> tuple[str, ...]:
    """Return the fewest beginnings that all of `codes` have and no other postal code has."""
    others = [code for code in danish_postal_codes().by_code if code not in codes]
    found: list[str] = []
    for code in sorted(codes):
        if found and code.startswith(found[-1]):
            continue
        length = next(end for end in range(len(code) + 1) if not any(other.startswith(code[:end]) for other in others))
        found.append(code[:length])
    return tuple(found)


def _all(words: list[str]) -> str:
    # Words hold letters, digits and underscores only, so quoting them is enough.
    asked = " & ".join(f"'{word}':*" for word in words)
    return f"({asked})" if len(words) > 1 else asked
