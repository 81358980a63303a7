"""What is compared of a listed market."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Self

from loppestars_core.kit.folding import fold, fold_words
from loppestars_core.places.points import Point
from loppestars_core.places.postal_codes import danish_postal_codes
from loppestars_core.places.spelling import spelled_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is compared of a listed market. `point` is exact, never the middle of a postal code."""

    name: str
    start_date: date
    end_date: date
    address: str | None = None
    venue: str | None = None
    postal_code: str | None = None
    city: str | None = None
    municipality: str | None = None
    point: Point | None = None

    @classmethod
    def of(cls, market: Any) -> Self:  # noqa: ANN401 - a SourceMarket or a row of markets
        """Return the listing of anything with a market's columns."""
        exact = market.latitude is not None and not market.position_approximate
        extra = getattr(market, "source_fields", None) or {}
        return cls(
            name=market.name,
            start_date=market.start_date,
            end_date=market.end_date,
            address=market.address,
            venue=extra.get("venue"),
            postal_code=market.postal_code,
            city=market.city,
            municipality=market.municipality,
            point=Point(market.latitude, market.longitude) if exact else None,
        )

    @property
    def towns(self) -> frozenset[str]:
        """Its town, folded, also without its district."""
        return _towns(self.city, self.postal_code) if self.city else frozenset()

    @property
    def known_municipality(self) -> str:
        """Its municipality, folded: that of its postal code, else the one it says; empty where neither is known."""
        row = danish_postal_codes().get(self.postal_code)
        return fold(row.municipality if row else self.municipality or "")


@lru_cache(maxsize=20_000)
def _towns(city: str, postal_code: str | None) -> frozenset[str]:
    """Return a town under the names that it may go by."""
    table = danish_postal_codes()
    row = table.get(postal_code)
    towns = {city, row.town, table.large_town_of(row.code)} if row else {city}
    return frozenset(fold(town) for town in towns)


def place_words(listing: Listing) -> frozenset[str]:
    """Return the words of its town and municipality, also as genitives: they do not say which market it is."""
    row = danish_postal_codes().get(listing.postal_code)
    return _place_words(f"{listing.city or ''} {listing.municipality or ''} {row.town if row else ''}")


@lru_cache(maxsize=20_000)
def _place_words(said: str) -> frozenset[str]:
    words = spelled_out(fold_words(said))
    return frozenset(words) | frozenset(f"{word}s" for word in words)
