"""What the crawl of a source was worth: shrunk, renumbered, or with fields that its pages no longer say. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from loppestars_core.markets.sighting import SourceMarket

FIELDS: Final = (
    "address",
    "postal_code",
    "city",
    "municipality",
    "position",
    "description",
    "organizer_name",
    "organizer_phone",
    "organizer_email",
    "organizer_website",
    "opening_hours",
    "entry_fee",
    "stall_count",
)
"""Fields whose coverage is recorded."""
MIN_MARKETS: Final = 10
"""Fewer markets say nothing of a share."""
_MIN_USUAL_SHARE: Final = 0.2
_MIN_CHURNED: Final = 50
_MAX_UNKNOWN_SHARE: Final = 0.5

_MAX_AHEAD: Final = timedelta(days=1_100)
_MAX_ENTRY_FEE: Final = 1000
_MAX_STALLS: Final = 5000


class Coverage(NamedTuple):
    """How many markets a source listed, and how many of them said each field."""

    listed: int
    fields: Mapping[str, int]

    def share(self, name: str) -> float:
        """Return the share of markets that said a field."""
        return self.fields.get(name, 0) / self.listed if self.listed else 0.0

    def as_json(self) -> dict[str, int]:
        """Return what the record keeps."""
        return {"listed": self.listed, **self.fields}


def coverage_of(markets: Sequence[SourceMarket]) -> Coverage:
    """Return the coverage of some markets, in the source's own words of this crawl."""
    said: Counter[str] = Counter(dict.fromkeys(FIELDS, 0))
    for market in markets:
        said.update(name for name in FIELDS if name != "position" and getattr(market, name) is not None)
        said["position"] += market.latitude is not None and not market.position_approximate
    return Coverage(len(markets), said)


def added(first: Coverage, second: Coverage) -> Coverage:
    """Return the coverage of two batches together."""
    return Coverage(first.listed + second.listed, Counter(first.fields) + Counter(second.fields))


def coverage_warnings(now: Coverage, before: Coverage | None) -> list[str]:
    """Return a sentence for each field that less than half as many markets say as in the last crawl."""
    if before is None or min(now.listed, before.listed) < MIN_MARKETS:
        return []
    return [
        f"{name}: said of {now.share(name):.0%} of the markets, of {before.share(name):.0%} last time; what was known "
        "is kept"
        for name in FIELDS
        if before.share(name) >= _MIN_USUAL_SHARE and now.share(name) * 2 < before.share(name)
    ]


def shrink_reason(listed: int, last_time: int | None) -> str | None:
    """Return why a source that suddenly lists less than half of last time is not believed."""
    if last_time is None or listed * 2 >= last_time:
        return None
    return (
        f"lists {listed} markets, less than half of the {last_time} of last time, and is not believed; its old "
        "markets are kept. If it is right, crawl once more with --accept-shrink"
    )


def churn_reason(unknown: int, taken: int, still_missed: int) -> str | None:
    """Return why a source is not believed most of whose ids are unknown, while known markets are not listed."""
    if unknown < _MIN_CHURNED or unknown <= taken * _MAX_UNKNOWN_SHARE or still_missed <= taken * _MAX_UNKNOWN_SHARE:
        return None
    return (
        f"{unknown} of {taken} ids are unknown while {still_missed} known markets to come were not listed: its ids or "
        "its names changed. If it is right, crawl once more with --accept-shrink"
    )


def doubt_about(said: SourceMarket, today: date) -> str | None:
    """Return why a market that was understood is not believed: it goes into quarantine until an admin looks at it."""
    if said.start_date - today > _MAX_AHEAD:
        return f"it begins on {said.start_date}, more than {_MAX_AHEAD.days} days ahead"
    if not any(letter.isalpha() for letter in said.name) or "://" in said.name:
        return f"its name is not a name: {said.name[:100]!r}"
    if said.entry_fee is not None and said.entry_fee > _MAX_ENTRY_FEE:
        return f"its entry costs {said.entry_fee} kr"
    if said.stall_count is not None and said.stall_count > _MAX_STALLS:
        return f"it has {said.stall_count} stalls"
    return None
