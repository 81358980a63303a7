"""Events of loppemarkeder.nu: WordPress with The Events Calendar, read from its REST interface (`tribe/events/v1`)."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from web_poet import cached_method, field

from loppestars_crawler.items import DEFAULT_CATEGORY, ListedMarket, Listing, MarketDetails, Outcome, Problem
from loppestars_crawler.pages.hours import LONGEST_MARKET, last_day, opening_hours
from loppestars_crawler.pages.listing import Entry, ListingPage, NotUnderstood
from loppestars_crawler.pages.reading import EARLIEST_YEAR, LATEST_YEAR, coordinate, e_mail, entry_fee, link, website
from loppestars_crawler.text import clean, decode_once, html_to_text, snippet, storable

SOURCE = "loppemarkeder"
SITE = "https://loppemarkeder.nu"
FIRST_PAGE = "/wp-json/tribe/events/v1/events?per_page=100"
_CANCELLED = frozenset({"canceled", "cancelled", "aflyst", "postponed"})


class EventsPage(ListingPage[Listing]):
    """A page of the list of events: `{"events": [...], "next_rest_url": ..., "total": ...}`."""

    @field
    def next_url(self) -> str | None:
        target = self._document().get("next_rest_url")
        return link(str(self.url), target) if isinstance(target, str) else None

    @field
    def total(self) -> int | None:
        total = self._document().get("total")
        return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None

    @cached_method
    def _document(self) -> dict[str, Any]:
        try:
            document = json.loads(self.response.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    @cached_method
    def entries(self) -> list[Entry]:
        events = self._document().get("events")
        if not isinstance(events, list):
            sample = snippet(self.response.body[:2000].decode("utf-8", "replace"))
            return [Problem(Outcome.FAILED, "no list of events in the answer", sample, str(self.url))]
        return [self._entry(event) for event in events]

    def _entry(self, event: object) -> Entry:
        try:
            return market_of(storable(event))
        except NotUnderstood as error:
            sample = snippet(json.dumps(storable(event), ensure_ascii=False, default=str))
            return Problem(error.outcome, str(error), sample, str(self.url))


def market_of(event: object) -> ListedMarket:
    """Market of one event, whatever of its parts are missing or of the wrong type."""
    if not isinstance(event, dict):
        raise NotUnderstood(Outcome.FAILED, "an event that is no object")
    identity = event.get("id")
    if isinstance(identity, bool) or not isinstance(identity, int | str) or not clean(str(identity)):
        raise NotUnderstood(Outcome.FAILED, "an event without an id")
    status = _words(event.get("status"))
    if status and status != "publish" and status not in _CANCELLED:
        raise NotUnderstood(Outcome.SKIPPED, f"an event that is not published: {status[:40]}")
    if _is_true(event.get("hide_from_listings")):
        raise NotUnderstood(Outcome.SKIPPED, "an event hidden from lists")
    name = clean(decode_once(_rendered(event.get("title")) or ""))
    if name is None:
        raise NotUnderstood(Outcome.FAILED, "an event without a title")
    start, end = _times(event)
    return ListedMarket(
        source=SOURCE,
        external_id=clean(str(identity), limit=100) or "",
        name=name,
        start_date=start.date(),
        end_date=last_day(start, end),
        category=_category(event),
        cancelled=status in _CANCELLED or _words(event.get("event_status")) in _CANCELLED,
        url=link(SITE, address) if isinstance(address := event.get("url"), str) else None,
        details=_details(event, opening_hours(start, end, all_day=_is_true(event.get("all_day")))),
        document=dict(event),
    )


def _details(event: Mapping[str, Any], hours: str | None) -> MarketDetails:
    venue = _first_object(event.get("venue"))
    organizer = _first_object(event.get("organizer"))
    return MarketDetails(
        venue=_plain(venue.get("venue")),
        address=_plain(venue.get("address")),
        city=_plain(venue.get("city")),
        postal_code=_plain(venue.get("zip")) or _plain(venue.get("postal_code")),
        municipality=_plain(venue.get("region")),
        latitude=_either(coordinate(venue.get("geo_lat")), coordinate(venue.get("latitude"))),
        longitude=_either(coordinate(venue.get("geo_lng")), coordinate(venue.get("longitude"))),
        description=html_to_text(_rendered(event.get("description"))),
        organizer_name=_plain(organizer.get("organizer")),
        organizer_phone=_plain(organizer.get("phone"), limit=50),
        organizer_email=e_mail(_plain(organizer.get("email"))),
        organizer_website=website(_plain(organizer.get("website"), limit=2000)),
        opening_hours=hours,
        entry_fee=_cost(event),
    )


def _times(event: Mapping[str, Any]) -> tuple[datetime, datetime]:
    start = _local_time(event.get("start_date"), "start_date")
    if start is None:
        raise NotUnderstood(Outcome.SKIPPED, "an event without a date")
    end = _local_time(event.get("end_date"), "end_date") or start
    if end < start:
        raise NotUnderstood(Outcome.FAILED, f"an end ({end}) before its start ({start})")
    if end - start > LONGEST_MARKET:
        raise NotUnderstood(Outcome.FAILED, f"from {start} to {end} is longer than 400 days")
    return start, end


def _local_time(value: object, name: str) -> datetime | None:
    """Danish local time `YYYY-MM-DD HH:MM:SS`; the time may be missing."""
    text = clean(value) if isinstance(value, str) else None
    if text is None:
        if value in (None, "", False, []):
            return None
        raise NotUnderstood(Outcome.FAILED, f"{name} is no text")
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError as error:
        raise NotUnderstood(Outcome.FAILED, f"{name} {text[:40]!r} is no time") from error
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise NotUnderstood(Outcome.FAILED, f"{name} {text[:40]!r} is not in 2000-2100")
    return moment


def _cost(event: Mapping[str, Any]) -> float | None:
    """Entry fee of `cost`, else the lowest of `cost_details.values`."""
    fee = entry_fee(decode_once(_string(event.get("cost")) or ""))
    if fee is not None:
        return fee
    details = event.get("cost_details")
    values = details.get("values") if isinstance(details, dict) else None
    fees = [entry_fee(str(value)) for value in values if isinstance(value, str | int | float)] if values else []
    return min((fee for fee in fees if fee is not None), default=None)


def _category(event: Mapping[str, Any]) -> str:
    categories = event.get("categories") or event.get("category")
    first = categories[0] if isinstance(categories, list) and categories else categories
    if isinstance(first, dict):
        first = first.get("name")
    return _plain(first) or DEFAULT_CATEGORY


def _first_object(value: object) -> Mapping[str, Any]:
    """An object, the first object of a list, or an empty one."""
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), None)
    return value if isinstance(value, dict) else {}


def _rendered(value: object) -> str | None:
    """A text, or the `rendered` one of an object."""
    return _string(value.get("rendered")) if isinstance(value, dict) else _string(value)


def _plain(value: object, *, limit: int = 500) -> str | None:
    return clean(decode_once(_rendered(value) or ""), limit=limit)


def _string(value: object) -> str | None:
    """Text of a string or a number; nothing else is text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def _words(value: object) -> str:
    return (_plain(value) or "").casefold()


def _is_true(value: object) -> bool:
    """JSON and PHP spell true in several ways: true, 1, "1", "true", "yes"."""
    return value is True or _words(value) in {"1", "true", "yes"}


def _either(first: float | None, second: float | None) -> float | None:
    return first if first is not None else second
