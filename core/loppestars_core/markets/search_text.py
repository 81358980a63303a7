"""Fold words so that what people type finds what is written: `kobenhavn` and `koebenhavn` find `København`.

The same folding is applied to the stored words and to the query, so it need not be reversible, only forgiving:
letters lose their accents, `ø` and `oe` become `o`, `å` and `aa` become `a`, `æ` becomes `ae`. Letters of other
scripts stay as they are.
"""

import re
import unicodedata
from collections.abc import Iterable

_LETTERS = str.maketrans({"ø": "o", "å": "a", "æ": "ae", "ß": "ss", "đ": "d", "ł": "l"})
_DOUBLED = (("aa", "a"), ("oe", "o"))
_WORD = re.compile(r"\w+")
# A shorter ending would match nearly everything and only make the index larger.
_SHORTEST_ENDING = 3
# PostgreSQL refuses lexemes of more than 2,046 bytes; a word of a market's name is never that long.
_LONGEST_WORD = 60


def fold(text: str) -> str:
    """`text` in folded lower-case words, separated by single spaces."""
    return " ".join(fold_words(text))


def fold_words(text: str) -> list[str]:
    """The folded words of `text`, in order."""
    # ø, å and æ are letters of their own: they are replaced before accents are taken off, which would lose å's ring.
    replaced = unicodedata.normalize("NFC", text).casefold().translate(_LETTERS)
    decomposed = unicodedata.normalize("NFKD", replaced)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    words = []
    for word in _WORD.findall(plain):
        folded = word
        for doubled, single in _DOUBLED:
            folded = folded.replace(doubled, single)
        words.append(folded[:_LONGEST_WORD])
    return words


def search_terms(texts: Iterable[str | None]) -> list[str]:
    """The lexemes under which `texts` are found: each word and its endings, so that any part of a word matches."""
    terms: set[str] = set()
    for text in texts:
        for word in fold_words(text or ""):
            last = max(len(word) - _SHORTEST_ENDING, 0)
            terms.update(word[start:] for start in range(last + 1))
    return sorted(terms)


def prefix_query(text: str) -> str | None:
    """The `tsquery` that asks for every word of `text` as a prefix of a lexeme; None when `text` has no word."""
    words = fold_words(text)
    # Words hold letters, digits and underscores only, so quoting them is enough.
    return " & ".join(f"'{word}':*" for word in words) if words else None
