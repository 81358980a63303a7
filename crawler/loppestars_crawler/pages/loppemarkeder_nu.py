"""Events of loppemarkeder.nu: WordPress with The Events Calendar, read from its REST interface (`tribe/events/v1`)."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from web_poet import cached_method, field

from loppestars_core.kit.clock import DENMARK
from loppestars_crawler.items import DEFAULT_CATEGORY, ListedMarket, Listing, MarketDetails, Outcome, Problem
from loppestars_crawler.pages.listing import Entry, ListingPage, NotUnderstood
from loppestars_crawler.reading.called_off import Status, read_title
from loppestars_crawler.reading.days import NotADay, check_year, days_of, opening_hours
from loppestars_crawler.reading.links import read_email, read_link, read_website
from loppestars_crawler.reading.numbers import read_degrees
from loppestars_crawler.reading.phones import read_phone
from loppestars_crawler.reading.prices import Fee, read_fee
from loppestars_crawler.text import clean, decode_once, html_to_text, snippet, storable

SOURCE: Final = "loppemarkeder"
SITE: Final = "https://loppemarkeder.nu"
FIRST_PAGE: Final = "/wp-json/tribe/events/v1/events?per_page=100"
_STATUS: Final = {
    "canceled": Status.CANCELLED,
    "cancelled": Status.CANCELLED,
    "aflyst": Status.CANCELLED,
    "postponed": Status.POSTPONED,
    "udsat": Status.POSTPONED,
}
_HOME: Final = frozenset({"", "europe/copenhagen"})
_OFFSET: Final = re.compile(r"utc([+-]\d{1,2})(?:[.:](\d{1,2}))?$")


class EventsPage(ListingPage[Listing]):
    """A page of the list of events: `{"events": [...], "next_rest_url": ..., "total": ...}`."""

    @field
    def next_url(self) -> str | None:
        target = self._document().get("next_rest_url")
        return read_link(str(self.url), target) if isinstance(target, str) else None

    @field
    def total(self) -> int | None:
        total = self._document().get("total")
        return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None

    @cached_method
    def _document(self) -> dict[str, Any]:
        try:
            document = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    @cached_method
    def entries(self) -> list[Entry]:
        events = self._document().get("events")
        if not isinstance(events, list):
            sample = snippet(self.text[:2000])
            return [Problem(Outcome.FAILED, "no list of events in the answer", sample, str(self.url))]
        entries: list[Entry] = []
        for event in events:
            try:
                entries.append(market_of(event))
            except NotUnderstood as error:
                sample = snippet(json.dumps(storable(event), ensure_ascii=False, default=str))
                entries.append(Problem(error.outcome, str(error), sample, str(self.url)))
        return entries


def market_of(event: object) -> ListedMarket:
    """Return the market of one event, whatever of its parts are missing or of the wrong type.

    Raises:
        NotUnderstood: it is hidden or not published, or has no id, title or dates that are understood.
    """
    if not isinstance(event, dict):
        raise NotUnderstood(Outcome.FAILED, "an event that is not an object")
    identity = event.get("id")
    if isinstance(identity, bool) or not isinstance(identity, int | str) or not clean(str(identity)):
        raise NotUnderstood(Outcome.FAILED, "an event without an id")
    status = _words(event.get("status"))
    if status and status != "publish" and status not in _STATUS:
        raise NotUnderstood(Outcome.SKIPPED, f"an event that is not published: {status[:40]}")
    if _is_true(event.get("hide_from_listings")):
        raise NotUnderstood(Outcome.SKIPPED, "an event hidden from lists")
    words = clean(decode_once(_rendered(event.get("title")) or ""))
    if words is None:
        raise NotUnderstood(Outcome.FAILED, "an event without a readable title")
    title = read_title(words)
    all_day = _is_true(event.get("all_day"))
    start, end = _moments(event, all_day=all_day)
    try:
        days = days_of(start, end)
    except NotADay as error:
        raise NotUnderstood(Outcome.FAILED, str(error)) from error
    said = (_STATUS.get(status), _STATUS.get(_words(event.get("event_status"))), title.status)
    return ListedMarket(
        source=SOURCE,
        external_id=clean(str(identity), limit=100) or "",
        name=title.name,
        start_date=days.start,
        end_date=days.end,
        category=_category(event),
        status=next((status for status in said if status not in (None, Status.SCHEDULED)), None) or Status.SCHEDULED,
        url=read_link(SITE, address) if isinstance(address := event.get("url"), str) else None,
        details=_details(event, opening_hours(start, end, all_day=all_day)),
        document=storable(event),
    )


def _details(event: Mapping[str, Any], hours: str | None) -> MarketDetails:
    venue = _first_object(event.get("venue"))
    organizer = _first_object(event.get("organizer"))
    latitude, longitude = read_degrees(venue.get("geo_lat")), read_degrees(venue.get("geo_lng"))
    fee = _fee(event)
    return MarketDetails(
        venue=_plain(venue.get("venue")),
        address=_plain(venue.get("address")),
        city=_plain(venue.get("city")),
        postal_code=_plain(venue.get("zip")) or _plain(venue.get("postal_code")),
        municipality=_plain(venue.get("region")),
        country=_plain(venue.get("country")),
        latitude=latitude if latitude is not None else read_degrees(venue.get("latitude")),
        longitude=longitude if longitude is not None else read_degrees(venue.get("longitude")),
        description=html_to_text(_rendered(event.get("description"))),
        organizer_name=_plain(organizer.get("organizer")),
        organizer_phone=read_phone(_plain(organizer.get("phone"))),
        organizer_email=read_email(_plain(organizer.get("email"))),
        organizer_website=read_website(_plain(organizer.get("website"), limit=2000)),
        opening_hours=hours,
        entry_fee=fee.amount,
        unclear={"entry_fee": fee.doubt} if fee.doubt else {},
    )


def _moments(event: Mapping[str, Any], *, all_day: bool) -> tuple[datetime, datetime]:
    """Return start and end in Danish local time.

    A site whose zone is not Denmark's says the instant too (`utc_start_date`); the days of an all-day event are days.
    """
    zone = _words(event.get("timezone"))
    at_home = all_day or zone in _HOME
    moments = []
    for name in ("start_date", "end_date"):
        moment = _moment(event.get(name), name)
        instant = None if at_home else _moment(event.get(f"utc_{name}"), f"utc_{name}")
        if instant is not None:
            moment = _in_denmark(instant, UTC)
        elif moment is not None and not at_home:
            moment = _in_denmark(moment, _zone(zone))
        moments.append(moment)
    start, end = moments
    if start is None:
        raise NotUnderstood(Outcome.SKIPPED, "an event without a date")
    return start, end or start


def _moment(value: object, name: str) -> datetime | None:
    """Return the moment of a text `YYYY-MM-DD HH:MM:SS`; the time may be missing."""
    text = clean(value) if isinstance(value, str) else None
    if text is None:
        if value in (None, "", False, []):
            return None
        raise NotUnderstood(Outcome.FAILED, f"{name} is not a text")
    try:
        moment = datetime.fromisoformat(text)
        check_year(moment.year, text)
    except NotADay as error:
        raise NotUnderstood(Outcome.FAILED, f"{name} {error}") from error
    except ValueError as error:
        raise NotUnderstood(Outcome.FAILED, f"{name} {text[:40]!r} is not a time") from error
    return moment.astimezone(DENMARK).replace(tzinfo=None) if moment.tzinfo else moment


def _in_denmark(moment: datetime, zone: tzinfo) -> datetime:
    return moment.replace(tzinfo=zone).astimezone(DENMARK).replace(tzinfo=None)


def _zone(name: str) -> tzinfo:
    """Return the zone of `Europe/Berlin` or `UTC+1`; Denmark's for anything else."""
    if offset := _OFFSET.match(name):
        return timezone(timedelta(hours=int(offset[1])))
    try:
        return ZoneInfo("/".join(part.capitalize() for part in name.split("/")))
    except (ZoneInfoNotFoundError, ValueError):
        return DENMARK


def _fee(event: Mapping[str, Any]) -> Fee:
    """Return the fee of `cost`, else of `cost_details.values` where they agree."""
    fee = read_fee(decode_once(_string(event.get("cost")) or ""))
    details = event.get("cost_details")
    values = details.get("values") if isinstance(details, dict) else None
    if fee != Fee() or not isinstance(values, list):
        return fee
    texts = [str(value) for value in values if isinstance(value, str | int | float)]
    fees = {read_fee(text) for text in texts}
    return fees.pop() if len(fees) == 1 else Fee(doubt=clean(" / ".join(texts)))


def _category(event: Mapping[str, Any]) -> str:
    categories = event.get("categories") or event.get("category")
    first = categories[0] if isinstance(categories, list) and categories else categories
    if isinstance(first, dict):
        first = first.get("name")
    return _plain(first) or DEFAULT_CATEGORY


def _first_object(value: object) -> Mapping[str, Any]:
    """Return an object, the first object of a list, or an empty one."""
    if isinstance(value, list):
        value = next((item for item in value if isinstance(item, dict)), None)
    return value if isinstance(value, dict) else {}


def _rendered(value: object) -> str | None:
    """Return a text, or the `rendered` one of an object."""
    return _string(value.get("rendered")) if isinstance(value, dict) else _string(value)


def _plain(value: object, *, limit: int = 500) -> str | None:
    return clean(decode_once(_rendered(value) or ""), limit=limit)


def _string(value: object) -> str | None:
    """Return the text of a string or a number; nothing else is text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def _words(value: object) -> str:
    return (_plain(value) or "").casefold()


def _is_true(value: object) -> bool:
    """Return whether JSON or PHP means true: true, 1, "1", "true", "yes"."""
    return value is True or _words(value) in {"1", "true", "yes"}
