"""Folded words, so that what people type finds what is written: `kobenhavn` and `koebenhavn` find `København`.

The same folding is applied to the stored words and to the query, so it need not be reversible, only forgiving:
letters lose their accents, `ø` and `oe` become `o`, `å` and `aa` become `a`, `æ` becomes `ae`. Letters of other
scripts stay as they are.
"""

import re
import unicodedata
from typing import Final

_LETTERS: Final = str.maketrans({"ø": "o", "å": "a", "æ": "ae", "ß": "ss", "đ": "d", "ł": "l"})
_DOUBLED: Final = (("aa", "a"), ("oe", "o"))
_WORD: Final = re.compile(r"\w+")
# PostgreSQL refuses lexemes of more than 2,046 bytes; a word of a market's name is never that long.
_MAX_WORD: Final = 60


def fold(text: str) -> str:
    """Return `text` in folded lower-case words, separated by single spaces."""
    return " ".join(fold_words(text))


def fold_words(text: str) -> list[str]:
    """Return the folded words of `text`, in order."""
    # ø, å and æ are letters of their own: they are replaced before accents are taken off, which would lose å's ring.
    replaced = unicodedata.normalize("NFC", text).casefold().translate(_LETTERS)
    plain = replaced
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", replaced)
        plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    words = []
    for word in _WORD.findall(plain):
        folded = word
        for doubled, single in _DOUBLED:
            folded = folded.replace(doubled, single)
        words.append(folded[:_MAX_WORD])
    return words
