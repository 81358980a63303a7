"""Page objects on anything at all: they never raise, and what they say can always be stored."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from web_poet import HttpResponse, WebPage

from loppestars_crawler.items import ListedMarket, Problem
from loppestars_crawler.pages.loppemarkeder_nu import EventsPage
from loppestars_crawler.pages.markedskalenderen_dk import MarketListPage
from loppestars_crawler.pages.markedskalenderen_dk_market import MarketDetailPage
from loppestars_crawler.pages.schema_org_events import EventsOfPage
from loppestars_crawler.reading.called_off import read_title
from loppestars_crawler.reading.days import read_days
from loppestars_crawler.reading.links import read_link, read_website
from loppestars_crawler.reading.numbers import read_degrees
from loppestars_crawler.reading.phones import read_phone
from loppestars_crawler.reading.prices import read_fee
from loppestars_crawler.text import clean, html_to_text, snippet, storable

ADDRESS = "https://markedskalenderen.dk/marked"
anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(
            ["2026-12-05 10:00:00", "publish", "Gratis", "20 kr.", "55.7", "<p>x</p>", "&#8211;", "\x00\ud800"]
        ),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["id", "title", "start_date", "end_date", "venue", "organizer", "cost", "cost_details", "categories", "status"]
KEYS += ["description", "all_day", "hide_from_listings", "url", "event_status", "category"]
VENUE_KEYS = [
    "venue",
    "address",
    "city",
    "zip",
    "geo_lat",
    "geo_lng",
    "latitude",
    "longitude",
    "region",
    "email",
    "website",
]
parts = st.dictionaries(st.sampled_from(VENUE_KEYS), anything)
events = st.dictionaries(st.sampled_from(KEYS), anything | parts | st.lists(parts, max_size=2)).map(
    lambda event: {"id": 1, "title": "Marked", "start_date": "2026-12-05 10:00:00", **event}
)
cells = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["01-12-2026", "01-12-2026<br>03-12-2026", "31-02-2026", "<a href='http://['>x</a>", "\ue086", "Odense"]
    ),
)
rows = st.lists(cells, max_size=8).map(lambda row: "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>")


def say(page_class: type[WebPage[Any]], body: bytes) -> Any:
    """What a page object says of a page."""
    response = HttpResponse(ADDRESS, body, headers={"Content-Type": "text/html; charset=utf-8"})
    return asyncio.run(page_class(response=response).to_item())


def check_storable(market: ListedMarket) -> None:
    """A name, dates in order, nothing that a database refuses."""
    assert market.name
    assert market.external_id
    assert market.start_date <= market.end_date
    told = json.dumps([repr(market.details), market.document], allow_nan=False, default=str)
    assert "\\u0000" not in told
    told.encode()


NAMES = ["@type", "@id", "@graph", "name", "url", "startDate", "endDate", "location", "address", "geo", "offers"]
NAMES += ["organizer", "subEvent", "item", "itemListElement", "eventSchedule", "identifier", "eventStatus", "price"]
VALUES = [
    "Event",
    "ListItem",
    "ItemList",
    "2026-12-05",
    "2026-12-05T10:00:00Z",
    "https://torvet.example/1",
    "/2",
    "0001",
]
linked = st.recursive(
    st.sampled_from(VALUES) | anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)


class TestAnyPage:
    """Anything at all."""

    @given(st.lists(events | anything, max_size=4), anything, anything)
    @settings(max_examples=60, deadline=None)
    def test_any_events(self, entries: list[Any], next_url: Any, total: Any) -> None:
        """Each entry is a market or a counted problem; none is lost and none raises."""
        body = json.dumps({"events": entries, "next_rest_url": next_url, "total": total}).encode()
        listing = say(EventsPage, body)
        assert len(listing.markets) + len(listing.problems) == len(entries)
        for market in listing.markets:
            check_storable(market)

    @given(st.lists(rows, max_size=5), st.text(max_size=20))
    @settings(max_examples=60, deadline=None)
    def test_any_table(self, table: list[str], rest: str) -> None:
        """Whatever the cells hold, rows are markets, problems, headers or empty."""
        listing = say(MarketListPage, f"<table>{''.join(table)}</table>{rest}".encode("utf-8", "surrogatepass"))
        for market in listing.markets:
            check_storable(market)
        assert all(isinstance(problem, Problem) and problem.reason for problem in listing.problems)

    @given(st.lists(linked, max_size=4), st.sampled_from(["<script type='application/ld+json'>{}</script>", "{}"]))
    @settings(max_examples=60, deadline=None)
    def test_any_json_ld(self, documents: list[Any], frame: str) -> None:
        """Objects of any shape: what is a market can be stored, everything else has a reason."""
        body = json.dumps({"@type": "Event", "name": "Marked", "startDate": "2026-12-05", "subEvent": documents})
        listing = say(EventsOfPage, frame.replace("{}", body).encode())
        for market in listing.markets:
            check_storable(market)
        assert all(problem.reason for problem in listing.problems)
        assert all(url.startswith(("http://", "https://")) for url in listing.event_urls)

    @given(st.binary(max_size=300))
    @settings(max_examples=60, deadline=None)
    def test_any_bytes(self, body: bytes) -> None:
        """Bytes that are no page at all."""
        for page_class in (EventsPage, MarketListPage, MarketDetailPage, EventsOfPage):
            say(page_class, body)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Small readers: cleaning is idempotent, and nothing else raises but the one that says so."""
        cleaned = clean(text)
        assert clean(cleaned) == cleaned
        assert len(snippet(text)) <= 300
        for read in (html_to_text, read_fee, read_degrees, read_website, read_phone, read_title, storable):
            read(text)
        read_link(ADDRESS, text)
        try:
            read_days(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - only the kind of error matters
