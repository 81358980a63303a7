"""Whether two sources mean the same market. Pure.

Wrongly joining two markets hides one from its visitors, wrongly keeping two shows one twice; the first is worse, so
doubt keeps them apart.
"""

from loppestars_core.kit.folding import fold, fold_words
from loppestars_core.markets.sighting import SourceMarket

# Words that say nothing about which market it is.
_SMALL = frozenset(
    fold(word)
    for word in ("i", "på", "ved", "og", "af", "for", "til", "den", "det", "de", "en", "et", "by", "store", "stort")
)
_KINDS = frozenset(
    fold(word) for word in ("loppemarked", "loppemarkedet", "marked", "markedet", "markeder", "loppetorv", "loppe")
)
_ENDING_OF_KINDS = "marked"
_CLOSE_DEGREES = 0.01
"""About a kilometre of latitude, and half of one of longitude: within one neighbourhood."""


def mean_the_same(one: SourceMarket, other: SourceMarket) -> bool:
    """Same dates, same place, and names of which one is contained in the other."""
    if (one.start_date, one.end_date) != (other.start_date, other.end_date) or one.source == other.source:
        return False
    if one.postal_code and other.postal_code:
        return one.postal_code == other.postal_code and _named_alike(one, other)
    if _is_exact(one) and _is_exact(other):
        return _close(one, other) and _named_alike(one, other)
    # A place known only by its town or municipality is large: there only the very same name counts.
    places = {fold(place) for place in (one.city, one.municipality) if place}
    return bool(places & {fold(place) for place in (other.city, other.municipality) if place}) and fold(
        one.name
    ) == fold(other.name)


def _named_alike(one: SourceMarket, other: SourceMarket) -> bool:
    if fold(one.name) == fold(other.name):
        return True
    words, other_words = _telling_words(one), _telling_words(other)
    if not words or not other_words:
        # "Loppemarked" at one address is the "Loppemarked" that another source puts there.
        return _same_house(one, other)
    differing = words ^ other_words
    contained = words <= other_words or other_words <= words
    return contained and not any(word.endswith(_ENDING_OF_KINDS) for word in differing)


def _telling_words(market: SourceMarket) -> set[str]:
    """Words of a name without kinds of markets and without the town, which sources add or leave out."""
    town = set(fold_words(market.city or "")) | set(fold_words(market.municipality or ""))
    words = set(fold_words(market.name)) - _SMALL - _KINDS
    return words - town or words


def _same_house(one: SourceMarket, other: SourceMarket) -> bool:
    address = fold(one.address or "")
    return address == fold(other.address or "") and any(letter.isdigit() for letter in address)


def _is_exact(market: SourceMarket) -> bool:
    return market.latitude is not None and not market.position_approximate


def _close(one: SourceMarket, other: SourceMarket) -> bool:
    return (
        abs((one.latitude or 0) - (other.latitude or 0)) < _CLOSE_DEGREES
        and abs((one.longitude or 0) - (other.longitude or 0)) < _CLOSE_DEGREES
    )
