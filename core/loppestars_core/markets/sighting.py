"""What one source says of one occurrence, and how the words of several sources become one market. Pure.

A source's words are kept whole with its sighting, so a market can be put together again whenever one of its sources
changes its mind, disappears, or is found to mean the same market.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final, Self

from loppestars_core.kit.folding import fold
from loppestars_core.markets.fields import FLAGS
from loppestars_core.markets.models import MarketState

# Stored sightings, and the hashes of their content, have the name that the first release gave it.
_STORED_NAMES: Final = {"source_fields": "loppemarkeder_nu"}
_ADDRESS: Final = ("address", "city", "postal_code")
# What a page may leave out although it is so.
_KEPT: Final = (
    "url",
    "municipality",
    "description",
    "organizer_name",
    "organizer_phone",
    "organizer_email",
    "organizer_website",
    "opening_hours",
    "entry_fee",
    "stall_count",
    *FLAGS,
    "special_features",
    "source_fields",
)
_LATER: Final = frozenset({"postponed", "unclear"})
_POSITION: Final = ("latitude", "longitude", "position_approximate")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMarket:
    """One occurrence in the words of one source, normalised. None is "the source does not say"."""

    source: str
    external_id: str
    name: str
    category: str
    start_date: date
    end_date: date
    rank: int = 100
    """Whose words count where sources differ: the lowest rank, then the name of the source."""
    cancelled: bool = False
    postponed: bool = False
    url: str | None = None
    municipality: str | None = None
    address: str | None = None
    city: str | None = None
    postal_code: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    position_approximate: bool = False
    description: str | None = None
    organizer_name: str | None = None
    organizer_phone: str | None = None
    organizer_email: str | None = None
    organizer_website: str | None = None
    opening_hours: str | None = None
    entry_fee: Decimal | None = None
    stall_count: int | None = None
    has_food: bool | None = None
    has_parking: bool | None = None
    has_toilets: bool | None = None
    has_wifi: bool | None = None
    is_indoor: bool | None = None
    is_outdoor: bool | None = None
    special_features: str | None = None
    source_fields: Mapping[str, Any] | None = None
    """Further fields, as the source names them."""
    unclear: Mapping[str, str] = field(default_factory=dict)
    """Fields that the source fills with words that leave a doubt, and the words."""
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The source's own words, kept for history and not part of the content."""

    def content(self) -> dict[str, Any]:
        """Everything but the document, as JSON has it."""
        words: dict[str, Any] = {}
        # Each listed market comes by here several times, so nothing is copied that is text already.
        for name, stored in _STORED.items():
            value = getattr(self, name)
            if isinstance(value, date):
                words[stored] = value.isoformat()
            elif isinstance(value, Decimal):
                words[stored] = str(value)
            elif isinstance(value, Mapping):
                words[stored] = dict(value)
            else:
                words[stored] = value
        # Their hashes are of before there were these.
        return {name: value for name, value in words.items() if value or name not in _LATER}

    def content_hash(self) -> str:
        """Equal for equal content, whatever the document says beside it."""
        return _hash_of(self.content())

    def raw(self) -> dict[str, Any]:
        """Return what is stored with the sighting."""
        return {"market": self.content(), "document": dict(self.document)}

    @classmethod
    def of_raw(cls, raw: Mapping[str, Any]) -> Self:
        """Read back what `raw` made; words of an older release that had fewer are completed with defaults."""
        said = raw["market"]
        words = {name: said[key] for name, key in _STORED.items() if key in said}
        words["start_date"] = date.fromisoformat(words["start_date"])
        words["end_date"] = date.fromisoformat(words["end_date"])
        if words.get("entry_fee") is not None:
            words["entry_fee"] = Decimal(words["entry_fee"])
        return cls(**words, document=raw.get("document", {}))


_STORED: Final = {
    field.name: _STORED_NAMES.get(field.name, field.name) for field in fields(SourceMarket) if field.name != "document"
}
"""Where each word of a source is stored."""


def _hash_of(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def completed(said: SourceMarket, before: SourceMarket) -> SourceMarket:
    """Return what a source says now, with what it said before of the same occurrence and does not say any more.

    A page that says less empties nothing; words that leave a doubt do. Where a market is, is one thing: it is kept
    whole when the source says nothing of it, or the same with a less exact point.
    """
    kept = {
        name: value
        for name in _KEPT
        if getattr(said, name) is None and name not in said.unclear and (value := getattr(before, name)) is not None
    }
    # A town alone may be read from a municipality or a name: it is not an address.
    stays = said.municipality in {None, before.municipality}
    silent = stays and not (said.address or said.postal_code)
    same = stays and all(getattr(said, name) in (None, getattr(before, name)) for name in _ADDRESS)
    vague = said.latitude is None or said.position_approximate
    if (silent and any(getattr(before, name) for name in _ADDRESS)) or (same and vague):
        kept |= {name: getattr(before, name) for name in _ADDRESS}
        if vague and before.latitude is not None:
            kept |= {name: getattr(before, name) for name in _POSITION}
    return replace(said, **kept) if kept else said


def is_renumbered(said: SourceMarket, before: SourceMarket) -> bool:
    """Return whether two ids of one source stand for one occurrence: the same name, days and place."""
    days = (said.start_date, said.end_date) == (before.start_date, before.end_date)
    places = [(said.postal_code, before.postal_code), (fold(said.municipality or ""), fold(before.municipality or ""))]
    agree = all(not now or not then or now == then for now, then in places)
    return days and agree and fold(said.name) == fold(before.name)


# Columns that are not columns of a market, or that are combined in a way of their own.
_APART: Final = {
    "source",
    "rank",
    "cancelled",
    "postponed",
    "unclear",
    "url",
    "document",
    *_ADDRESS,
    *FLAGS,
    *_POSITION,
}
_PLAIN_COLUMNS: Final = tuple(field.name for field in fields(SourceMarket) if field.name not in _APART)


def combine(sources: Iterable[SourceMarket]) -> dict[str, Any]:
    """Columns of the market that several sources mean; at least one source.

    The best source that says something of a column is believed; a flag is set when any source sets it; a position of
    the place itself is better than the middle of its postal code; a market that any source calls off is cancelled.
    """
    ranked = sorted(sources, key=lambda market: (market.rank, market.source, market.external_id))
    best = ranked[0]
    columns: dict[str, Any] = {
        name: next((value for market in ranked if (value := getattr(market, name)) is not None), None)
        for name in _PLAIN_COLUMNS
    }
    columns |= {name: any(getattr(market, name) for market in ranked) for name in FLAGS}
    # Street, code and town are one thing: they come from one source.
    addressed = next((market for market in ranked if market.postal_code or market.city), best)
    columns |= {name: getattr(addressed, name) for name in ("address", "city", "postal_code")}
    placed = [market for market in ranked if market.latitude is not None]
    where = min(placed, key=lambda market: market.position_approximate, default=best)
    columns |= {name: getattr(where, name) for name in _POSITION}
    columns["source_url"] = next((market.url for market in ranked if market.url), None)
    columns["state"] = MarketState.SCHEDULED
    if any(market.postponed for market in ranked):
        columns["state"] = MarketState.POSTPONED
    if any(market.cancelled for market in ranked):
        columns["state"] = MarketState.CANCELLED
    return columns
