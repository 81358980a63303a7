"""The market of one https://schema.org/Event, whatever of its parts are missing, repeated or of another type. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any, Final

from loppestars_crawler.items import ListedMarket, MarketDetails, Outcome
from loppestars_crawler.pages.json_ld import as_list, types_of
from loppestars_crawler.pages.listing import NotUnderstood
from loppestars_crawler.reading.called_off import Status, read_title
from loppestars_crawler.reading.days import NotADay, days_of, opening_hours, read_moment
from loppestars_crawler.reading.links import read_email, read_link, read_website
from loppestars_crawler.reading.numbers import read_degrees
from loppestars_crawler.reading.phones import read_phone
from loppestars_crawler.reading.prices import Fee, is_for_visitors, read_price
from loppestars_crawler.text import clean, decode_once, html_to_text

_STATUS: Final = {
    "eventcancelled": Status.CANCELLED,
    "eventcanceled": Status.CANCELLED,
    "cancelled": Status.CANCELLED,
    "eventpostponed": Status.POSTPONED,
    "postponed": Status.POSTPONED,
}
_LANGUAGES: Final = ("da", "da-DK", "en", "no", "sv", "de")
_LANGUAGE: Final = re.compile(r"[a-z]{2}(?:-[A-Za-z]{2,4})?$")
_END_OF_DAY: Final = time(23, 59)


def market_of(event: Mapping[str, Any], page: str) -> ListedMarket:
    """Return the market; its `source` is left empty, as a page does not know it.

    An occurrence is known by what its source calls it (`@id`, `identifier`, `url`, else its name) and its first day.

    Raises:
        NotUnderstood: it takes place online only, has no name, or no dates that are understood.
    """
    place, words = _place(event.get("location"))
    online = _term(event.get("eventAttendanceMode")) == "OnlineEventAttendanceMode"
    places = [item for item in as_list(event.get("location")) if isinstance(item, dict)]
    if online or (not place and words is None and any("VirtualLocation" in types_of(item) for item in places)):
        raise NotUnderstood(Outcome.SKIPPED, "an event that is online only")
    name = _plain(event.get("name"))
    if name is None:
        raise NotUnderstood(Outcome.FAILED, "an event without a readable name")
    title = read_title(name)
    start, end, all_day = _moments(event)
    try:
        days = days_of(start, end)
    except NotADay as error:
        raise NotUnderstood(Outcome.FAILED, str(error)) from error
    address = read_link(page, _first_text(event.get("url")))
    known_as = _first(event.get("identifier"))
    identifier = _first_text(known_as.get("value") if isinstance(known_as, dict) else known_as)
    identity = _first_text(event.get("@id")) or identifier or address or title.name
    return ListedMarket(
        source="",
        external_id=f"{clean(identity, limit=400) or title.name}|{days.start.isoformat()}",
        name=title.name,
        start_date=days.start,
        end_date=days.end,
        status=_STATUS.get(_term(event.get("eventStatus")).casefold(), title.status),
        url=address or page,
        details=details_of(event, opening_hours(start, end, all_day=all_day)),
        document=dict(event),
    )


def details_of(event: Mapping[str, Any], hours: str | None = None) -> MarketDetails:
    """Return everything about an event but its name and days."""
    place, words = _place(event.get("location"))
    address = _object(place.get("address"))
    geo = _object(place.get("geo"))
    organizer = _object(event.get("organizer"))
    street = _plain(address.get("streetAddress")) or _plain(place.get("address")) or words
    country = _object(address.get("addressCountry")).get("name") or address.get("addressCountry")
    fee = _fee(event)
    return MarketDetails(
        venue=_plain(place.get("name")),
        address=street,
        city=_plain(address.get("addressLocality")),
        postal_code=_plain(address.get("postalCode")),
        municipality=_plain(address.get("addressRegion")),
        country=_plain(country),
        latitude=read_degrees(_first(geo.get("latitude", place.get("latitude")))),
        longitude=read_degrees(_first(geo.get("longitude", place.get("longitude")))),
        description=html_to_text(_first_text(event.get("description"))),
        organizer_name=_plain(organizer.get("name")) or _plain(event.get("organizer")),
        organizer_phone=read_phone(_plain(organizer.get("telephone"))),
        organizer_email=read_email(_plain(organizer.get("email"))),
        organizer_website=read_website(_plain(organizer.get("url"), limit=2000)),
        opening_hours=hours,
        entry_fee=fee.amount,
        unclear={"entry_fee": fee.doubt} if fee.doubt else {},
    )


def _moments(event: Mapping[str, Any]) -> tuple[datetime, datetime, bool]:
    """Return start and end in Danish local time, and whether no time of day is said."""
    try:
        start = read_moment(_first_text(event.get("startDate")))
        end = read_moment(_first_text(event.get("endDate")))
    except NotADay as error:
        raise NotUnderstood(Outcome.FAILED, str(error)) from error
    if start is None:
        raise NotUnderstood(Outcome.SKIPPED, "an event without a date")
    if end is None:
        return start.local, start.local, start.whole_day
    # A day that ends the event is part of it, unlike the midnight that a moment would be.
    closes = datetime.combine(end.local, _END_OF_DAY) if end.whole_day else end.local
    return start.local, closes, start.whole_day or end.whole_day


def _place(location: Any) -> tuple[Mapping[str, Any], str | None]:  # noqa: ANN401 - whatever JSON holds
    """Return the first real place, or an address in words."""
    for item in as_list(location):
        if isinstance(item, dict) and "VirtualLocation" not in types_of(item):
            # A place is often left out around its address.
            return (item, None) if "PostalAddress" not in types_of(item) else ({"address": item}, None)
        if isinstance(item, str) and clean(item):
            return {}, _plain(item)
    return {}, None


def _fee(event: Mapping[str, Any]) -> Fee:
    """Return the price of entry in kroner, 0 where it says that entry is free; several prices are a doubt."""
    free = _first(event.get("isAccessibleForFree"))
    if free is True or _term(free).casefold() == "true":
        return read_price("0", None)
    offers = [offer for offer in as_list(event.get("offers")) if isinstance(offer, dict)]
    said = [
        (_plain(offer.get(name)), _plain(offer.get("priceCurrency")))
        for offer in offers
        if is_for_visitors(_plain(offer.get("name")))
        for name in ("price", "lowPrice", "highPrice")
        if _plain(offer.get(name)) is not None
    ]
    fees = {read_price(price, currency) for price, currency in said} or {Fee()}
    if len(fees) == 1:
        return fees.pop()
    return Fee(doubt=", ".join(f"{price} {currency or ''}".strip() for price, currency in said)[:500])


def _term(value: Any) -> str:  # noqa: ANN401 - a term of schema.org, with or without its address
    return (_first_text(value) or "").rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def _object(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever JSON holds
    """Return an object, the first object of a list, or an empty one."""
    return next((item for item in as_list(value) if isinstance(item, dict)), {})


def _first(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return next(iter(as_list(value)), None)


def _first_text(value: Any) -> str | None:  # noqa: ANN401 - text, a number, or text by language
    """Return the first text; of several languages the Danish one."""
    values = as_list(value)
    tagged = {item.get("@language"): item for item in values if isinstance(item, dict) and "@value" in item}
    for item in [tagged[language] for language in _LANGUAGES if language in tagged] + values:
        said = item
        if isinstance(item, dict):
            by_language = [item[name] for name in (*_LANGUAGES, *item) if _LANGUAGE.match(name) and name in item]
            said = item.get("@value", next(iter(by_language), None))
        if isinstance(said, str | int | float) and not isinstance(said, bool) and str(said).strip():
            return str(said)
    return None


def _plain(value: Any, *, limit: int = 500) -> str | None:  # noqa: ANN401 - as above
    return clean(decode_once(_first_text(value) or ""), limit=limit)
