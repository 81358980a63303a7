"""Readers of the small texts that both sites are made of: dates, money, numbers, coordinates, links."""

import math
import re
from datetime import date
from typing import Any
from urllib.parse import urljoin, urlsplit

from loppestars_crawler.text import clean

_DANISH_DATE = re.compile(r"(?<!\d)(\d{1,2})[-./](\d{1,2})[-./](\d{4})(?!\d)")
_NUMBER = re.compile(r"(?<![\d.,])(\d{1,6})(?:[.,](\d{1,2}))?(?!\d)")
_THOUSANDS = re.compile(r"(?<=\d)[.](?=\d{3}(?!\d))")
_FREE = re.compile(r"\b(?:gratis|fri entr[eé]|ingen entr[eé]|free)\b", re.IGNORECASE)
_E_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
MOST_STALLS = 20_000
HIGHEST_FEE = 100_000
EARLIEST_YEAR, LATEST_YEAR = 2000, 2100


def danish_dates(text: str) -> list[date]:
    """All dates `dd-mm-yyyy` of a text, in its order.

    Raises:
        ValueError: one of them is no day of the calendar or lies outside 2000-2100.
    """
    days = []
    for day, month, year in _DANISH_DATE.findall(text):
        if not EARLIEST_YEAR <= int(year) <= LATEST_YEAR:
            raise ValueError(f"{day}-{month}-{year} is not between {EARLIEST_YEAR} and {LATEST_YEAR}")
        try:
            days.append(date(int(year), int(month), int(day)))
        except ValueError as error:
            raise ValueError(f"{day}-{month}-{year} is no day of the calendar") from error
    return days


def entry_fee(text: str | None) -> float | None:
    """Kroner in a text such as `Entré 20,50 kr.`; 0 for free; None where it does not say."""
    if not text:
        return None
    found = _NUMBER.search(_THOUSANDS.sub("", text))
    if found is None:
        return 0.0 if _FREE.search(text) else None
    fee = float(f"{found[1]}.{found[2] or 0}")
    return fee if fee <= HIGHEST_FEE else None


def count_in(text: str | None) -> int | None:
    """First whole number of a text (`ca. 120 stader`), at most 20,000."""
    found = re.search(r"(?<!\d)\d{1,6}(?!\d)", _THOUSANDS.sub("", text or ""))
    number = int(found[0]) if found else None
    return number if number is not None and number <= MOST_STALLS else None


def coordinate(value: Any) -> float | None:  # noqa: ANN401 - whatever JSON holds
    """Degrees from a number or text; None for empty, boolean, not finite, or the 0 that stands for "not set"."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        degrees = float(value.strip().replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return degrees if math.isfinite(degrees) and degrees else None


def e_mail(text: str | None) -> str | None:
    """First e-mail address of a text."""
    found = _E_MAIL.search(text or "")
    return clean(found[0], limit=254) if found else None


def website(text: str | None) -> str | None:
    """Web address with its scheme; None for anything that is not http or https."""
    address = clean(text, limit=2000)
    if address is None or " " in address:
        return None
    if "://" not in address and "." in address and ":" not in address.split("/")[0]:
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in {"http", "https"} and "." in (parts.hostname or "") else None


def link(base: str, href: str | None) -> str | None:
    """Where a link of a page leads, without its fragment; None for no link, a script, mail, or nonsense."""
    target = clean(href, limit=2000)
    if target is None or target.startswith("#"):
        return None
    try:
        address = urljoin(base, target.replace(" ", "%20")).split("#")[0]
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme in {"http", "https"} and parts.hostname else None
