"""What one source says of one occurrence, and how the words of several sources become one market. Pure.

A source's words are kept whole with its sighting, so a market can be put together again whenever one of its sources
changes its mind, disappears, or is found to mean the same market.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import Any, Final, Self

from loppestars_core.kit.folding import fold
from loppestars_core.markets.fields import FLAGS
from loppestars_core.markets.models import MarketState

# Any constant serves: it keeps our series apart from other users of UUIDs made of names.
_SERIES = uuid.UUID("6f0b0a52-3f1f-5d1a-9d0c-8f4b6a1c2e77")
# Stored sightings, and the hashes of their content, have the name that the first release gave it.
_STORED_NAMES: Final = {"source_fields": "loppemarkeder_nu"}
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
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The source's own words, kept for history and not part of the content."""

    def content(self) -> dict[str, Any]:
        """Everything but the document, as JSON has it."""
        words = {_STORED_NAMES.get(name, name): value for name, value in asdict(self).items()}
        del words["document"]
        return {
            name: value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value
            for name, value in words.items()
        }

    def content_hash(self) -> str:
        """Equal for equal content, whatever the document says beside it."""
        canonical = json.dumps(self.content(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def raw(self) -> dict[str, Any]:
        """What is stored with the sighting."""
        return {"market": self.content(), "document": dict(self.document)}

    @classmethod
    def of_raw(cls, raw: Mapping[str, Any]) -> Self:
        """Read back what `raw` made; words of an older release that had fewer are completed with defaults."""
        said = raw["market"]
        stored = {field.name: _STORED_NAMES.get(field.name, field.name) for field in fields(cls)}
        words = {name: said[key] for name, key in stored.items() if key in said and name != "document"}
        words["start_date"] = date.fromisoformat(words["start_date"])
        words["end_date"] = date.fromisoformat(words["end_date"])
        if words.get("entry_fee") is not None:
            words["entry_fee"] = Decimal(words["entry_fee"])
        return cls(**words, document=raw.get("document", {}))


def series_of(name: str, postal_code: str | None, place: str | None) -> uuid.UUID:
    """The same for all occurrences of a market: its name at its place."""
    return uuid.uuid5(_SERIES, f"{fold(name)}|{postal_code or fold(place or '')}")


def combine(sources: Iterable[SourceMarket]) -> dict[str, Any]:
    """Columns of the market that several sources mean; at least one source.

    The best source that says something of a column is believed; a flag is set when any source sets it; a position of
    the place itself is better than the middle of its postal code; a market that any source calls off is cancelled.
    """
    ranked = sorted(sources, key=lambda one: (one.rank, one.source, one.external_id))
    best = ranked[0]
    columns: dict[str, Any] = {
        name: next((value for one in ranked if (value := getattr(one, name)) is not None), None)
        for name in _plain_columns()
    }
    columns |= {name: any(getattr(one, name) for one in ranked) for name in FLAGS}
    # Street, code and town are one thing: they come from one source.
    addressed = next((one for one in ranked if one.postal_code or one.city), best)
    columns |= {name: getattr(addressed, name) for name in ("address", "city", "postal_code")}
    placed = [one for one in ranked if one.latitude is not None]
    where = min(placed, key=lambda one: one.position_approximate, default=best)
    columns |= {name: getattr(where, name) for name in _POSITION}
    columns["source_url"] = next((one.url for one in ranked if one.url), None)
    columns["state"] = MarketState.CANCELLED if any(one.cancelled for one in ranked) else MarketState.SCHEDULED
    return columns


def _plain_columns() -> tuple[str, ...]:
    apart = {"source", "rank", "cancelled", "url", "document", "address", "city", "postal_code", *FLAGS, *_POSITION}
    return tuple(one.name for one in fields(SourceMarket) if one.name not in apart)
