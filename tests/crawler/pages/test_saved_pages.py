"""Saved pages replayed through the page objects: `<page object>/<case>/{page.html,page.json}` → `output.json`.

To accept a change of behaviour, run `python tests/crawler/pages/test_saved_pages.py` and look at what git shows.
"""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from web_poet import HttpResponse, PageParams, WebPage

from loppestars_crawler.pages.calendar_feed import CalendarFeedPage
from loppestars_crawler.pages.loppemarkeder_nu import EventsPage
from loppestars_crawler.pages.markedskalenderen_dk import MarketListPage
from loppestars_crawler.pages.markedskalenderen_dk_market import MarketDetailPage
from loppestars_crawler.pages.schema_org_events import EventsOfPage

SAVED = Path(__file__).parent
ADDRESSES: dict[type[WebPage[Any]], str] = {
    MarketListPage: "https://markedskalenderen.dk/marked/kategori/loppemarked",
    MarketDetailPage: "https://markedskalenderen.dk/marked/remisen",
    EventsPage: "https://loppemarkeder.nu/wp-json/tribe/events/v1/events?per_page=100",
    EventsOfPage: "https://torvet.example/arrangementer?page=2",
    CalendarFeedPage: "https://torvet.example/kalender.ics",
}
DAY = PageParams(today="2026-11-21")
PARAMS: dict[type[WebPage[Any]], dict[str, Any]] = {
    EventsOfPage: {"page_params": DAY},
    CalendarFeedPage: {"page_params": DAY},
}
PAGES = {page.__name__: page for page in ADDRESSES}
CASES = sorted(path for path in SAVED.glob("*/*") if path.is_dir() and path.parent.name in PAGES)


def replay(case: Path) -> dict[str, Any]:
    """What the page object says of a saved page, as JSON has it; what is None or empty is left out."""
    page_class = PAGES[case.parent.name]
    saved = next(case.glob("page.*"))
    headers = {"Content-Type": "text/html; charset=utf-8"}
    response = HttpResponse(ADDRESSES[page_class], saved.read_bytes(), headers=headers)
    item = asyncio.run(page_class(response=response, **PARAMS.get(page_class, {})).to_item())
    described = json.loads(json.dumps(asdict(item), default=str, ensure_ascii=False))
    return _without_empty(described)


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if item not in (None, [], {}) and key != "document"}
        return {key: _without_empty(item) for key, item in kept.items()}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


class TestSavedPages:
    """Pages with the output that was accepted."""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
    def test_output(self, case: Path) -> None:
        """Each saved page gives exactly the output that was looked at and accepted."""
        assert replay(case) == json.loads((case / "output.json").read_text(encoding="utf-8"))

    def test_every_page_object_has_pages(self) -> None:
        """No page object is left without a saved page."""
        assert {case.parent.name for case in CASES} == set(PAGES)


if __name__ == "__main__":
    for case in CASES:
        text = json.dumps(replay(case), ensure_ascii=False, indent=2)
        (case / "output.json").write_text(text + "\n", encoding="utf-8")
