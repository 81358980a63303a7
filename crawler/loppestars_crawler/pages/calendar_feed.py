"""Calendars that phones subscribe to (iCalendar, RFC 5545), their recurring events one by one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import attrs
import recurring_ical_events
from icalendar import Calendar, Component, Event
from web_poet import PageParams, cached_method

from loppestars_core.kit.clock import DENMARK, today_in_denmark
from loppestars_crawler.items import EventListing, ListedMarket, MarketDetails, Outcome, Problem
from loppestars_crawler.pages.calendar_bounds import take_unbounded
from loppestars_crawler.pages.listing import Entry, ListingPage, NotUnderstood
from loppestars_crawler.reading.called_off import Status, read_title
from loppestars_crawler.reading.days import NotADay, check_year, days_of, opening_hours
from loppestars_crawler.reading.links import read_email, read_link, read_website
from loppestars_crawler.text import clean, html_to_text, snippet, storable

HORIZON: Final = timedelta(days=400)
"""How far ahead occurrences are listed."""
MAX_EVENTS: Final = 20_000
_STATUS: Final = {"CANCELLED": Status.CANCELLED}
_END_OF_DAY: Final = time(23, 59)
_BEGIN: Final = b"BEGIN:VCALENDAR"


def is_calendar(body: bytes) -> bool:
    """Return whether a body is a calendar, whatever its server says of it."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[: len(_BEGIN)].upper() == _BEGIN


@attrs.define(kw_only=True)
class CalendarFeedPage(ListingPage[EventListing]):
    """A calendar: each occurrence that has not ended by `today` and begins within the horizon is an entry."""

    page_params: PageParams = attrs.field(factory=PageParams)  # type: ignore[type-arg]  # injected by its class

    @cached_method
    def entries(self) -> list[Entry]:
        url = str(self.url)
        today = date.fromisoformat(self.page_params.get("today") or str(today_in_denmark()))
        try:
            calendar = Calendar.from_ical(self.text)
            refused = take_unbounded(calendar)
            query = recurring_ical_events.of(calendar, skip_bad_series=True)
            found = query.between(today, today + HORIZON)[:MAX_EVENTS]
        except (ValueError, TypeError, KeyError, OverflowError, IndexError) as error:
            reason = f"a calendar that is not iCalendar: {str(error)[:100]}"
            return [Problem(Outcome.FAILED, reason, snippet(self.text[:5000]), url)]
        return [*self._entries(found), *(_refusal(event, reason, url) for event, reason in refused)]

    def _entries(self, events: list[Event]) -> Iterator[Entry]:
        for event in events:
            try:
                yield market_of(event, str(self.url))
            except NotUnderstood as error:
                yield replace(_refusal(event, str(error), str(self.url)), outcome=error.outcome)


def _refusal(event: Component, reason: str, url: str) -> Problem:
    return Problem(Outcome.FAILED, reason, snippet(event.to_ical().decode("utf-8", "replace")), url)


def market_of(event: Event, page: str) -> ListedMarket:
    """Return the market of one occurrence, known by its UID and first day.

    Raises:
        NotUnderstood: it is private, or has no name or days that are understood.
    """
    words = _text(event, "SUMMARY")
    if words is None:
        raise NotUnderstood(Outcome.FAILED, "an event without a readable name")
    if _text(event, "CLASS") in {"PRIVATE", "CONFIDENTIAL"}:
        raise NotUnderstood(Outcome.SKIPPED, "a private event")
    title = read_title(words)
    start, whole_day = _moment(event.start)
    end = datetime.combine(event.end - timedelta(days=1), _END_OF_DAY) if whole_day else _moment(event.end)[0]
    try:
        days = days_of(start, max(start, end))
    except NotADay as error:
        raise NotUnderstood(Outcome.FAILED, str(error)) from error
    place = _text(event, "LOCATION")
    organizer = event.get("ORGANIZER")
    position = event.get("GEO")
    return ListedMarket(
        source="",
        external_id=f"{_text(event, 'UID') or title.name}|{days.start.isoformat()}",
        name=title.name,
        start_date=days.start,
        end_date=days.end,
        status=_STATUS.get(_text(event, "STATUS") or "", title.status),
        url=read_link(page, _text(event, "URL")) or page,
        details=MarketDetails(
            address=place,
            latitude=position.latitude if position else None,
            longitude=position.longitude if position else None,
            description=html_to_text(str(event.get("DESCRIPTION") or "")),
            organizer_name=clean(str(organizer.params.get("CN", ""))) if organizer is not None else None,
            organizer_email=read_email(str(organizer)) if organizer is not None else None,
            organizer_website=read_website(_text(event, "URL")),
            opening_hours=opening_hours(start, end, all_day=whole_day),
        ),
        document=storable({name: str(value) for name, value in event.items() if name != "DESCRIPTION"}),
    )


def _moment(value: Any) -> tuple[datetime, bool]:  # noqa: ANN401 - a date or a moment
    """Return a moment in Danish local time, and whether only its day is said."""
    try:
        check_year(value.year, str(value))
    except NotADay as error:
        raise NotUnderstood(Outcome.FAILED, str(error)) from error
    if not isinstance(value, datetime):
        return datetime.combine(value, time()), True
    return value.astimezone(DENMARK).replace(tzinfo=None) if value.tzinfo else value, False


def _text(event: Event, name: str, limit: int = 500) -> str | None:
    value = event.get(name)
    return clean(str(value), limit=limit) if value is not None else None
