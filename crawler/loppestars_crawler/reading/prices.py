"""What a visitor pays, in kroner; where the words leave a doubt, the words themselves are kept instead."""

import re
from decimal import Decimal
from typing import Final, NamedTuple

from price_parser import Price

from loppestars_crawler.text import clean

MAX_FEE: Final = 100_000
_MAX_TEXT: Final = 500
_CLAUSES: Final = re.compile(
    r",(?![\d-])|[;\n|]|(?<!\d)\.(?!\d)|(?<=kr)\.(?=\s[^\d\s])|\s[\u2013-]\s(?=\D)|\bog\b|/(?!\d)"
)
_NUMBER: Final = re.compile(r"\d[\d.,]*")
_FREE: Final = re.compile(r"\b(?:gratis|fri\s(?:entr[eé]|adgang)|ingen\sentr[eé]|free|ganske\sgratis)", re.IGNORECASE)
_ENTRY: Final = re.compile(r"entr[eé]|adgang|indgang|billet|voksn|voksen|adult|besøgende|gæst", re.IGNORECASE)
# What sellers pay, what a car costs, and what only some pay.
_OTHER: Final = re.compile(
    r"stade|stand|bod\b|boder|\bbord|leje|bagagerum|sælger|udstiller|plads\b|parkering|garderobe|"
    r"barn|børn|pension|studer|student|medlem|under\s\d|rabat|child|kids",
    re.IGNORECASE,
)
_UNCLEAR: Final = re.compile(
    r"person|\bpr?\.?\s?(?:bil|familie)|familie|par\b|\bstk|fra\b|ca\.?\b|op til|mellem", re.IGNORECASE
)
_RANGE: Final = re.compile(r"\d\s?(?:-|\u2013|til)\s?\d")
_KRONER: Final = frozenset({"", "kr", "kr.", "dkk"})


class Fee(NamedTuple):
    """A fee in kroner; None when it is not said, or `doubt` holds words that leave it open."""

    amount: Decimal | None = None
    doubt: str | None = None


def read_fee(text: str | None) -> Fee:
    """Return what a visitor pays by a text such as `Entré 20,50 kr.`; 0 is free."""
    words = clean(text, limit=_MAX_TEXT)
    if words is None:
        return Fee()
    clauses = [part.strip() for part in _CLAUSES.split(words) if part and part.strip()]
    said = [clause for clause in clauses if _NUMBER.search(clause) or _FREE.search(clause)]
    for_visitors = [clause for clause in said if not _OTHER.search(clause) or _ENTRY.search(clause)]
    named = [clause for clause in for_visitors if _ENTRY.search(clause)]
    fees = {_fee_of(clause) for clause in named or for_visitors}
    if not fees:
        return Fee(doubt=words if said else None)
    amount = fees.pop() if len(fees) == 1 else None
    return Fee(amount) if amount is not None else Fee(doubt=words)


def is_for_visitors(name: str | None) -> bool:
    """Return whether a kind of ticket is one that every visitor needs: no stall, parking or child's ticket."""
    return not name or not _OTHER.search(name[:_MAX_TEXT]) or bool(_ENTRY.search(name[:_MAX_TEXT]))


def read_price(price: str | None, currency: str | None) -> Fee:
    """Return the fee of a price whose currency has a field of its own."""
    if currency and currency.strip().casefold() not in _KRONER:
        return Fee(doubt=clean(f"{price} {currency}", limit=_MAX_TEXT))
    return read_fee(price)


def _fee_of(clause: str) -> Decimal | None:
    """Return the fee of one clause, or None where it leaves a doubt."""
    numbers = _NUMBER.findall(clause)
    if not numbers:
        return Decimal(0)
    if len(numbers) > 1 or _UNCLEAR.search(clause) or _RANGE.search(clause):
        return None
    price = Price.fromstring(clause)
    if price.amount is None or (price.currency or "").casefold() not in _KRONER:
        return None
    return price.amount if 0 <= price.amount <= MAX_FEE else None
