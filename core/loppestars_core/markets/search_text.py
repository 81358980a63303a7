"""The words under which a market is found, and the question that asks for them."""

from collections.abc import Iterable
from typing import Final

from loppestars_core.kit.folding import fold_words

# A shorter ending would match nearly everything and only make the index larger.
_MIN_ENDING: Final = 3


def search_terms(texts: Iterable[str | None]) -> list[str]:
    """The lexemes under which `texts` are found: each word and its endings, so that any part of a word matches."""
    terms: set[str] = set()
    for text in texts:
        for word in fold_words(text or ""):
            last = max(len(word) - _MIN_ENDING, 0)
            terms.update(word[start:] for start in range(last + 1))
    return sorted(terms)


def prefix_query(text: str) -> str | None:
    """The `tsquery` that asks for every word of `text` as a prefix of a lexeme; None when `text` has no word."""
    words = fold_words(text)
    # Words hold letters, digits and underscores only, so quoting them is enough.
    return " & ".join(f"'{word}':*" for word in words) if words else None
