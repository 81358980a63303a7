"""The market of one https://schema.org/Event, whatever of its parts are missing, repeated or of another type. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from loppestars_core.kit.clock import DENMARK
from loppestars_crawler.items import ListedMarket, MarketDetails, Outcome
from loppestars_crawler.pages.hours import LONGEST_MARKET, last_day, opening_hours
from loppestars_crawler.pages.json_ld import as_list, types_of
from loppestars_crawler.pages.listing import NotUnderstood
from loppestars_crawler.pages.reading import (
    EARLIEST_YEAR,
    LATEST_YEAR,
    coordinate,
    e_mail,
    entry_fee,
    link,
    website,
)
from loppestars_crawler.text import clean, decode_once, html_to_text

_CURRENCIES = frozenset({"", "dkk", "kr", "kr."})
_LENGTH_OF_DATE = len("2026-12-05")


def market_of(event: Mapping[str, Any], page: str) -> ListedMarket:
    """The market; its `source` is left empty, as a page does not know it.

    An occurrence is known by what its source calls it (`@id`, `identifier`, `url`, else its name) and its first day.

    Raises:
        NotUnderstood: it takes place online only, has no name, or no dates that are understood.
    """
    if _term(event.get("eventAttendanceMode")) == "OnlineEventAttendanceMode":
        raise NotUnderstood(Outcome.SKIPPED, "an event that is online only")
    name = _plain(event.get("name"))
    if name is None:
        raise NotUnderstood(Outcome.FAILED, "an event without a name")
    start, end, all_day = _moments(event)
    address = _address(event, page)
    identity = _first_text(event.get("@id")) or _identifier(event.get("identifier")) or address or name
    return ListedMarket(
        source="",
        external_id=f"{clean(identity, limit=400)}|{start.date().isoformat()}",
        name=name,
        start_date=start.date(),
        end_date=last_day(start, end),
        cancelled=_term(event.get("eventStatus")) in {"EventCancelled", "EventPostponed"},
        url=address or page,
        details=_details(event, opening_hours(start, end, all_day=all_day)),
        document=dict(event),
    )


def _details(event: Mapping[str, Any], hours: str | None) -> MarketDetails:
    place, words = _place(event.get("location"))
    address = _object(place.get("address"))
    geo = _object(place.get("geo"))
    organizer = _object(event.get("organizer"))
    street = _plain(address.get("streetAddress")) or _plain(place.get("address")) or words
    return MarketDetails(
        venue=_plain(place.get("name")),
        address=street,
        city=_plain(address.get("addressLocality")),
        postal_code=_plain(address.get("postalCode")),
        municipality=_plain(address.get("addressRegion")),
        latitude=coordinate(_first(geo.get("latitude", place.get("latitude")))),
        longitude=coordinate(_first(geo.get("longitude", place.get("longitude")))),
        description=html_to_text(_first_text(event.get("description"))),
        organizer_name=_plain(organizer.get("name")) or _plain(event.get("organizer")),
        organizer_phone=_plain(organizer.get("telephone"), limit=50),
        organizer_email=e_mail(_plain(organizer.get("email"))),
        organizer_website=website(_plain(organizer.get("url"), limit=2000)),
        opening_hours=hours,
        entry_fee=_fee(event),
    )


def _moments(event: Mapping[str, Any]) -> tuple[datetime, datetime, bool]:
    """Start and end in Danish local time, and whether no time of day is said."""
    if not event.get("startDate") and event.get("eventSchedule"):
        raise NotUnderstood(Outcome.FAILED, "an event with a schedule (eventSchedule) instead of dates")
    start, all_day = _moment(_first_text(event.get("startDate")), "startDate")
    if start is None:
        raise NotUnderstood(Outcome.SKIPPED, "an event without a date")
    end, whole_day_at_end = _moment(_first_text(event.get("endDate")), "endDate")
    end = end or start
    if whole_day_at_end and end.date() == start.date():
        end, all_day = max(start, end), True
    if end < start:
        raise NotUnderstood(Outcome.FAILED, f"an end ({end}) before its start ({start})")
    if end - start > LONGEST_MARKET:
        raise NotUnderstood(Outcome.FAILED, f"from {start} to {end} is longer than 400 days")
    # A day that ends the event is part of it, unlike the midnight that a moment would be.
    return start, end.replace(hour=23, minute=59) if whole_day_at_end else end, all_day or whole_day_at_end


def _moment(text: str | None, name: str) -> tuple[datetime | None, bool]:
    """An ISO 8601 date or moment; one with an offset is turned into Danish local time."""
    text = clean(text)
    if text is None:
        return None, False
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotUnderstood(Outcome.FAILED, f"{name} {text[:40]!r} is no date of ISO 8601") from error
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise NotUnderstood(Outcome.FAILED, f"{name} {text[:40]!r} is not in 2000-2100")
    local = moment.astimezone(DENMARK).replace(tzinfo=None) if moment.tzinfo else moment
    return local, len(text) <= _LENGTH_OF_DATE


def _place(location: Any) -> tuple[Mapping[str, Any], str | None]:  # noqa: ANN401 - whatever JSON holds
    """The first real place, or an address in words."""
    for one in as_list(location):
        if isinstance(one, dict) and "VirtualLocation" not in types_of(one):
            # A place is often left out around its address.
            return (one, None) if "PostalAddress" not in types_of(one) else ({"address": one}, None)
        if isinstance(one, str) and clean(one):
            return {}, _plain(one)
    return {}, None


def _fee(event: Mapping[str, Any]) -> float | None:
    """The lowest price in kroner; 0 where it says that entry is free."""
    free = _first(event.get("isAccessibleForFree"))
    if free is True or _term(free).casefold() == "true":
        return 0.0
    fees = []
    for offer in as_list(event.get("offers")):
        if isinstance(offer, dict) and (_plain(offer.get("priceCurrency")) or "").casefold() in _CURRENCIES:
            fees += [entry_fee(_plain(offer.get(name))) for name in ("price", "lowPrice")]
    return min((fee for fee in fees if fee is not None), default=None)


def _address(event: Mapping[str, Any], page: str) -> str | None:
    return link(page, _first_text(event.get("url")))


def _identifier(value: Any) -> str | None:  # noqa: ANN401 - text, or a PropertyValue
    first = _first(value)
    return _first_text(first.get("value")) if isinstance(first, dict) else _first_text(first)


def _term(value: Any) -> str:  # noqa: ANN401 - a term of schema.org, with or without its address
    return (_first_text(value) or "").rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def _object(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """An object, the first object of a list, or an empty one."""
    return next((one for one in as_list(value) if isinstance(one, dict)), {})


def _first(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return next(iter(as_list(value)), None)


def _first_text(value: Any) -> str | None:  # noqa: ANN401 - text, a number, or text with its language
    for one in as_list(value):
        said = one.get("@value") if isinstance(one, dict) else one
        if isinstance(said, str | int | float) and not isinstance(said, bool) and str(said).strip():
            return str(said)
    return None


def _plain(value: Any, *, limit: int = 500) -> str | None:  # noqa: ANN401 - as above
    return clean(decode_once(_first_text(value) or ""), limit=limit)
