"""Any page that says its events by the terms of https://schema.org/Event: in JSON-LD, microdata, or as h-events."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import date

import attrs
from web_poet import PageParams, cached_method, field

from loppestars_core.kit.clock import today_in_denmark
from loppestars_crawler.items import EventListing, ListedMarket, Outcome, Problem
from loppestars_crawler.pages import json_ld
from loppestars_crawler.pages.html import HtmlPage
from loppestars_crawler.pages.listing import Entry, ListingPage, NotUnderstood
from loppestars_crawler.pages.microdata import read_h_events, read_microdata
from loppestars_crawler.pages.schema_org_market import market_of
from loppestars_crawler.pages.schema_org_schedule import scheduled
from loppestars_crawler.reading.links import read_link
from loppestars_crawler.text import snippet


@attrs.define(kw_only=True)
class EventsOfPage(ListingPage[EventListing], HtmlPage[EventListing]):
    """Events, links to events, and the link to the next page (`rel=next`)."""

    page_params: PageParams = attrs.field(factory=PageParams)  # type: ignore[type-arg]  # injected by its class
    """`today` is the day from which schedules without an end are listed."""

    @field
    def event_urls(self) -> tuple[str, ...]:
        found = [read_link(str(self.url), url) for url in self._graph().links()]
        here = read_link(str(self.url), str(self.url))
        return tuple(dict.fromkeys(url for url in found if url is not None and url != here))

    @field
    def next_url(self) -> str | None:
        href = self.xpath('(//link | //a)[contains(concat(" ", normalize-space(@rel), " "), " next ")]/@href').get()
        return read_link(str(self.url), href)

    @cached_method
    def _graph(self) -> json_ld.Graph:
        """Return the objects of the page: of its JSON-LD, where that has no events of its microdata, then h-events."""
        graph = json_ld.read_page(self.text, self.selector)
        if graph.events():
            return graph
        return self._marked_up() or graph

    def _marked_up(self) -> json_ld.Graph | None:
        """Return the objects of its microdata, where that has no events of its h-events; None without any event."""
        for documents in (read_microdata(self.selector, str(self.url)), read_h_events(self.text, str(self.url))):
            if (other := json_ld.Graph(list(documents))).events():
                return other
        return None

    @cached_method
    def entries(self) -> list[Entry]:
        url, graph = str(self.url), self._graph()
        entries: list[Entry] = [
            Problem(Outcome.FAILED, f"JSON-LD that is not JSON: {script.reason}", snippet(script.text), url)
            for script in graph.unreadable
        ]
        entries += [
            Problem(Outcome.REMARK, "JSON-LD that had to be repaired", snippet(text), url) for text in graph.repaired
        ]
        today = date.fromisoformat(self.page_params.get("today") or str(today_in_denmark()))
        for event in graph.events():
            try:
                entries += [market_of(occurrence, url) for occurrence in scheduled(event, today)]
            except NotUnderstood as error:
                sample = snippet(json.dumps(event, ensure_ascii=False, default=str))
                entries.append(Problem(error.outcome, str(error), sample, url))
        if not entries and not graph.documents:
            reason = "no JSON-LD, microdata or h-event on the page"
            entries.append(Problem(Outcome.FAILED, reason, snippet(self.text[:5000]), url))
        return with_own_ids(entries)


@attrs.define(kw_only=True)
class MicrodataPage(EventsOfPage):
    """The same of a page whose markup says its events, whatever JSON-LD it has besides."""

    @cached_method
    def _graph(self) -> json_ld.Graph:
        return self._marked_up() or json_ld.Graph([])


def with_own_ids(entries: list[Entry]) -> list[Entry]:
    """Return entries in which no two different markets have one id: the second of a day says its hours, or its name."""
    of_id: dict[str, list[ListedMarket]] = defaultdict(list)
    for entry in entries:
        if isinstance(entry, ListedMarket):
            of_id[entry.external_id].append(entry)
    renamed: dict[int, ListedMarket] = {}
    for markets in of_id.values():
        first, *others = sorted(markets, key=lambda market: (market.details.opening_hours or "", market.name))
        for market in others:
            marks = (market.details.opening_hours, market.name)
            known = (first.details.opening_hours, first.name)
            mark = next((mine for mine, other in zip(marks, known, strict=True) if mine and mine != other), None)
            if mark is not None:
                renamed[id(market)] = replace(market, external_id=f"{market.external_id}|{mark}"[:500])
    return [renamed.get(id(entry), entry) if isinstance(entry, ListedMarket) else entry for entry in entries]
