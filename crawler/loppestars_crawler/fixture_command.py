"""`loppestars-crawler fixture URL`: a page, saved as a fixture of a page object, with what it says of it."""

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urljoin

import typer
from protego import Protego
from web_poet import HttpResponse, WebPage

from loppestars_core.kit.cli import fail, show_json
from loppestars_core.kit.settings import load_settings
from loppestars_crawler.crawl.scrapy_settings import user_agent
from loppestars_crawler.pages.calendar_feed import CalendarFeedPage, is_calendar
from loppestars_crawler.pages.loppemarkeder_nu import EventsPage
from loppestars_crawler.pages.markedskalenderen_dk import MarketListPage
from loppestars_crawler.pages.markedskalenderen_dk_market import MarketDetailPage
from loppestars_crawler.pages.schema_org_events import EventsOfPage, MicrodataPage
from loppestars_crawler.settings import FetchSettings

_PAGES: Final[dict[str, type[WebPage[Any]]]] = {
    page.__name__: page
    for page in (EventsOfPage, MicrodataPage, CalendarFeedPage, EventsPage, MarketListPage, MarketDetailPage)
}
_ENDINGS: Final = {"application/json": "json", "application/ld+json": "json", "text/calendar": "ics"}


class _Fetched(NamedTuple):
    body: bytes
    content_type: str


def fixture(
    url: Annotated[str, typer.Argument(metavar="URL", help="page to save; http or https")],
    *,
    name: Annotated[str, typer.Option(help="name of the case, e.g. october-table")],
    page: Annotated[str, typer.Option(help=f"page object: {', '.join(_PAGES)}")] = EventsOfPage.__name__,
    folder: Annotated[Path, typer.Option(help="folder of the fixtures")] = Path("tests/crawler/pages"),
) -> None:
    """Save a page as a fixture and print what its page object says; robots.txt is obeyed."""
    if page not in _PAGES:
        fail(f"unknown page object {page}: known are {', '.join(_PAGES)}", 2)
    if not url.startswith(("http://", "https://")):
        fail(f"invalid address {url[:200]!r}: expected http:// or https://", 2)
    if not name.replace("-", "").isalnum():
        fail(f"invalid name {name[:100]!r}: expected letters, digits and hyphens", 2)
    settings = load_settings(FetchSettings)
    agent = user_agent(settings.crawler_contact)
    try:
        rules = _robots(url, agent, settings)
        if not rules.can_fetch(url, agent):
            fail(f"{url} is forbidden by robots.txt")
        fetched = _fetch(url, agent, settings)
    except (OSError, ValueError) as error:
        fail(f"{url} could not be fetched: {error}")
    page_class = CalendarFeedPage if page == EventsOfPage.__name__ and is_calendar(fetched.body) else _PAGES[page]
    case = folder / page_class.__name__ / name
    case.mkdir(parents=True, exist_ok=True)
    ending = _ENDINGS.get(fetched.content_type.partition(";")[0].strip().lower(), "html")
    (case / f"page.{ending}").write_bytes(fetched.body)
    response = HttpResponse(url, fetched.body, headers={"Content-Type": fetched.content_type})
    item = asyncio.run(page_class(response=response).to_item())
    show_json(json.loads(json.dumps(asdict(item), default=str)))
    typer.echo(f"saved as {case}; accept its output with tests/crawler/pages/test_saved_pages.py", err=True)


def _robots(url: str, agent: str, settings: FetchSettings) -> Protego:
    """Return what a site allows; one without robots.txt allows everything."""
    try:
        text = _fetch(urljoin(url, "/robots.txt"), agent, settings).body.decode("utf-8", "ignore")
    except urllib.error.HTTPError as error:
        if error.code >= 500:  # noqa: PLR2004 - RFC 9309: a server that fails allows nothing
            raise
        text = ""
    return Protego.parse(text)


def _fetch(url: str, agent: str, settings: FetchSettings) -> _Fetched:
    request = urllib.request.Request(url, headers={"User-Agent": agent})  # noqa: S310 - http(s) only, checked before
    with urllib.request.urlopen(request, timeout=settings.download_timeout) as response:  # noqa: S310 - as above
        body = response.read(settings.max_page_bytes + 1)
        if len(body) > settings.max_page_bytes:
            raise ValueError(f"more than {settings.max_page_bytes} bytes")
        return _Fetched(body, response.headers.get("Content-Type", "text/html"))
