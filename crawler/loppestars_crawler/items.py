"""What page objects return: markets as a source lists them, and what was not understood on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from loppestars_crawler.reading.called_off import Status

DEFAULT_CATEGORY: Final = "Loppemarked"


class Outcome(StrEnum):
    """How something that is not a market is counted."""

    FAILED = "failed"
    """Meant as a market, but not understood."""
    SKIPPED = "skipped"
    """Understood, and deliberately left out: no date, hidden, not published."""
    REMARK = "remark"
    """Part of a page that was not understood while its market was; counted in metrics only."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something on a page that did not become a market, with a piece of it for a person to look at."""

    outcome: Outcome
    reason: str
    snippet: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDetails:
    """Everything about a market that may be unknown. Texts are clean; None is "the source does not say"."""

    venue: str | None = None
    address: str | None = None
    city: str | None = None
    postal_code: str | None = None
    municipality: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    country: str | None = None
    description: str | None = None
    organizer_name: str | None = None
    organizer_phone: str | None = None
    organizer_email: str | None = None
    organizer_website: str | None = None
    opening_hours: str | None = None
    entry_fee: Decimal | None = None
    """Danish kroner; 0 is free."""
    unclear: Mapping[str, str] = field(default_factory=dict)
    """Fields that the source fills with words that leave a doubt, and the words."""
    stall_count: int | None = None
    has_food: bool | None = None
    has_parking: bool | None = None
    has_toilets: bool | None = None
    has_wifi: bool | None = None
    is_indoor: bool | None = None
    is_outdoor: bool | None = None
    special_features: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMarket:
    """One occurrence: a market on its dates, as one source lists it. Its page's details may still be merged in."""

    source: str
    external_id: str
    name: str
    start_date: date
    end_date: date
    category: str = DEFAULT_CATEGORY
    status: Status = Status.SCHEDULED
    url: str | None = None
    details: MarketDetails = field(default_factory=MarketDetails)
    document: dict[str, Any] = field(default_factory=dict)
    """What the source said, as JSON, kept with the sighting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page of a source's list."""

    markets: tuple[ListedMarket, ...] = ()
    problems: tuple[Problem, ...] = ()
    next_url: str | None = None
    total: int | None = None
    """How many entries the source says it lists on all pages, where it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventListing(Listing):
    """A page of events, or of links to the pages of events."""

    event_urls: tuple[str, ...] = ()
    """Pages of events that this page only links to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketPage:
    """A page about one market, which may stand for many of its occurrences."""

    details: MarketDetails = field(default_factory=MarketDetails)
    problems: tuple[Problem, ...] = ()
