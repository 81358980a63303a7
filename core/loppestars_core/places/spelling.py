"""One spelling for words that addresses abbreviate: `Skt.`, `Sct.` and `Sankt`, `13 A` and `13A`, floors, c/o."""

import re
from typing import Final

from loppestars_core.kit.folding import fold_words

_SPELLED_OUT: Final = {
    "nr": "norre",
    "ndr": "nordre",
    "sdr": "sonder",
    "sndr": "sonder",
    "sondre": "sonder",
    "gl": "gammel",
    "gamle": "gammel",
    "skt": "sankt",
    "sct": "sankt",
    "sanct": "sankt",
    "kgs": "kongens",
    "ll": "lille",
    "kr": "kirke",
    "kbh": "kobenhavn",
    "kbhvn": "kobenhavn",
    "kobenhavns": "kobenhavn",
    "copenhagen": "kobenhavn",
    "cph": "kobenhavn",
    "frb": "frederiksberg",
    "frbg": "frederiksberg",
    "pl": "plads",
    "blvd": "boulevard",
    "boul": "boulevard",
    "centeret": "centret",
    "centrum": "centrum",
    "kirkepl": "kirkeplads",
}
_CARE_OF: Final = re.compile(r"^\s*(?:c/o|att\.?|v/)\s", re.IGNORECASE)
_SIDE: Final = r"(?:t\.?\s?v|t\.?\s?h|m\.?\s?f)\b\.?"
_FLOOR: Final = re.compile(
    rf"(?<![\s,])[\s,]++(?:(?:\d{{1,2}}|st|stuen|kl|kld|kælderen)\.?\s*+(?:sal)?\.?\s*+,?\s*+{_SIDE}"
    r"|\d{1,2}\.\s*+sal|stuen|kælderen)\s*+$",
    re.IGNORECASE,
)
# No line has more floors and doors than this; without a bound, a line of nothing else takes the square of its length.
_MAX_FLOORS: Final = 8
_PARTS: Final = re.compile(r"[,;\n|]+\s*")


def spelled_out(words: list[str]) -> list[str]:
    """Return folded words with their abbreviations written out."""
    return [_SPELLED_OUT.get(word, word) for word in words]


def street_key(street: str | None) -> str:
    """Return the same for two spellings of one street line: no floor, no c/o, `13 A` as `13a`."""
    *others, last = _PARTS.split(without_floor(street or ""))
    parts = [part for part in (*(other.rstrip() for other in others), last) if part]
    kept = [part for part in parts if not _CARE_OF.match(part)] or parts
    words: list[str] = []
    for part in kept:
        for word in spelled_out(fold_words(part)):
            if words and words[-1].isdigit() and len(word) == 1 and word.isalpha():
                words[-1] += word
            else:
                words.append(word)
    return " ".join(words)


def without_floor(street: str) -> str:
    """Return a street line without its floor and door: `Vestergade 1, 2. th` → `Vestergade 1`."""
    for _ in range(_MAX_FLOORS):
        shorter = _FLOOR.sub("", street)
        if shorter == street:
            break
        street = shorter
    return street
