"""What a list of facilities says a market has. Pure."""

import re
from typing import Final

from loppestars_core.kit.folding import fold

# Folded beginnings of words in a list of facilities; a space ends a whole word.
_BEGINNINGS: Final = {
    "has_food": ("mad ", "madbod", "cafe", "forplejning", "kaffe", "polse", "spisested", "food"),
    "has_parking": ("parkering", "p plads", "parking"),
    "has_toilets": ("toilet", "wc "),
    "has_wifi": ("wifi ", "wi fi ", "internet"),
    "is_indoor": ("indendors", "inde ", "hal ", "indoor"),
    "is_outdoor": ("udendors", "ude ", "outdoor"),
}
_DENIED: Final = re.compile(r"\b(?:ingen|uden|ikke|intet|no)\b", re.IGNORECASE)


def read_facilities(text: str | None) -> dict[str, bool | None]:
    """Return each flag: True when the list names it, False when it denies it, None when it is silent."""
    flags: dict[str, bool | None] = dict.fromkeys(_BEGINNINGS)
    for part in re.split(r"[,;.\n]", text or ""):
        words = f" {fold(part)} "
        for name, beginnings in _BEGINNINGS.items():
            if any(f" {beginning}" in words for beginning in beginnings):
                flags[name] = flags[name] or not _DENIED.search(part)
    return flags
