"""What the sample site answers to a request. Pure but for the day, which is asked at each request."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

from loppestars_core.kit.clock import DENMARK, today_in_denmark
from loppestars_local.sample_site import calendar, events, json_ld
from loppestars_local.sample_site.catalogue import SampleMarket, sample_markets

ROBOTS: Final = """User-agent: *
Disallow: /wp-admin/
Disallow: /kontakt
Allow: /wp-admin/admin-ajax.php
"""
_HTML: Final = "text/html; charset=utf-8"
_JSON: Final = "application/json; charset=UTF-8"
_TEXT: Final = "text/plain; charset=utf-8"
_FRONT_PAGE: Final = (
    "<!DOCTYPE html><html lang=en><title>Sample site</title><h1>Sample site</h1>"
    "<p>Made-up markets of {today}, as real sites would list them:</p>"
    f'<ul><li><a href="{calendar.LIST_PATH}">the calendar</a>'
    f'<li><a href="{events.API_PATH}?per_page=100">the events</a>'
    f'<li><a href="{json_ld.LIST_PATH}">events in JSON-LD</a></ul>'
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and body of a response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SampleSite:
    """All sites under one address: their paths do not meet."""

    today: Callable[[], date] = today_in_denmark
    markets: tuple[SampleMarket, ...] = field(default_factory=sample_markets)

    def respond(self, target: str, headers: Mapping[str, str]) -> Answer:
        """Answer a GET for `target` (path and query); `headers` by lower-case name."""
        parts = urlsplit(target)
        today = self.today()
        found = self._page(parts.path, parse_qs(parts.query), today)
        if found is None:
            return Answer(HTTPStatus.NOT_FOUND, b"Siden findes ikke.\n", {"Content-Type": _TEXT})
        body, content_type = found
        changed_at = datetime.combine(today, time(), DENMARK).astimezone(UTC)
        tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        validators = {"ETag": tag, "Last-Modified": format_datetime(changed_at, usegmt=True)}
        if _is_current(headers, tag, changed_at):
            return Answer(HTTPStatus.NOT_MODIFIED, b"", validators)
        return Answer(HTTPStatus.OK, body, {"Content-Type": content_type, **validators})

    def _page(self, path: str, query: Mapping[str, list[str]], today: date) -> tuple[bytes, str] | None:
        if path == "/robots.txt":
            return ROBOTS.encode(), _TEXT
        if path.rstrip("/") == events.API_PATH:
            answer = events.events_page(_number(query, "page", 1), _number(query, "per_page", 10), today, self.markets)
            return (json.dumps(answer).encode(), _JSON) if answer else None
        page = self._html(path, query, today)
        return (page.encode(), _HTML) if page else None

    def _html(self, path: str, query: Mapping[str, list[str]], today: date) -> str | None:
        match path:
            case "/":
                return _FRONT_PAGE.format(today=today)
            case calendar.LIST_PATH:
                return calendar.list_page(_number(query, "page", 1), today, self.markets)
            case json_ld.LIST_PATH:
                return json_ld.list_page(_number(query, "page", 1), today, self.markets)
        if path.startswith(f"{json_ld.LIST_PATH}/"):
            return json_ld.event_page(path, today, self.markets)
        folder, slug = [*path.strip("/").split("/"), ""][:2]
        return next(
            (
                calendar.market_page(market)
                for market in self.markets
                if folder in {"marked", "loppemarked"} and market.slug == slug
            ),
            None,
        )


def _is_current(headers: Mapping[str, str], tag: str, changed_at: datetime) -> bool:
    """Return whether the client has this page: by ETag, and only without one by date (RFC 9110, 13.2.2)."""
    if tags := headers.get("if-none-match"):
        return tag in {part.strip().removeprefix("W/") for part in tags.split(",")} or tags.strip() == "*"
    if since := headers.get("if-modified-since"):
        try:
            return parsedate_to_datetime(since) >= changed_at
        except (ValueError, TypeError):
            return False
    return False


def _number(query: Mapping[str, list[str]], name: str, default: int) -> int:
    try:
        return int(query.get(name, [""])[0])
    except ValueError:
        return default
