"""Any page that says its events in JSON-LD by the terms of https://schema.org/Event."""

import json
from collections.abc import Iterator

from web_poet import cached_method, field

from loppestars_crawler.items import EventListing, Outcome, Problem
from loppestars_crawler.pages import json_ld
from loppestars_crawler.pages.html import HtmlPage
from loppestars_crawler.pages.listing import Entry, ListingPage, NotUnderstood
from loppestars_crawler.pages.reading import link
from loppestars_crawler.pages.schema_org_market import market_of
from loppestars_crawler.text import snippet

_MORE_EVENT_TYPES = frozenset({"Festival", "EventSeries", "Hackathon"})
_NO_EVENT_TYPES = frozenset({"PublicationEvent", "BroadcastEvent", "OnDemandEvent"})


class EventsOfPage(ListingPage[EventListing], HtmlPage[EventListing]):
    """Events, links to events, and the link to the next page (`rel=next`)."""

    @field
    def event_urls(self) -> tuple[str, ...]:
        found = [link(str(self.url), url) for document in self._documents() for url in _listed(document)]
        here = link(str(self.url), str(self.url))
        return tuple(dict.fromkeys(url for url in found if url is not None and url != here))

    @field
    def next_url(self) -> str | None:
        href = self.xpath('(//link | //a)[contains(concat(" ", normalize-space(@rel), " "), " next ")]/@href').get()
        return link(str(self.url), href)

    @cached_method
    def _documents(self) -> list[object]:
        return [document for document in self._parsed() if not isinstance(document, Problem)]

    @cached_method
    def _parsed(self) -> list[object]:
        parsed: list[object] = []
        for block in json_ld.blocks(self.response.text, self.selector):
            try:
                parsed.append(json_ld.parse(block))
            except ValueError as error:
                reason = f"JSON-LD that is no JSON: {str(error)[:100]}"
                parsed.append(Problem(Outcome.FAILED, reason, snippet(block), str(self.url)))
        return parsed

    @cached_method
    def entries(self) -> list[Entry]:
        entries: list[Entry] = [one for one in self._parsed() if isinstance(one, Problem)]
        for document in self._documents():
            entries.extend(self._entry(event) for event in _events(document))
        if not entries and not self._documents():
            reason = "no JSON-LD on the page"
            entries.append(Problem(Outcome.FAILED, reason, snippet(self.response.text[:5000]), str(self.url)))
        return entries

    def _entry(self, event: json_ld.Node) -> Entry:
        try:
            return market_of(event, str(self.url))
        except NotUnderstood as error:
            sample = snippet(json.dumps(event, ensure_ascii=False, default=str))
            return Problem(error.outcome, str(error), sample, str(self.url))


def _is_event(node: json_ld.Node) -> bool:
    types = json_ld.types_of(node)
    return any(name.endswith("Event") or name in _MORE_EVENT_TYPES for name in types - _NO_EVENT_TYPES)


def _events(document: object) -> Iterator[json_ld.Node]:
    """Events that take place: one with parts (`subEvent`) is its parts, which inherit what they do not say."""
    parts: set[int] = set()
    for node in json_ld.nodes(document):
        if not _is_event(node) or id(node) in parts:
            continue
        own_parts = [part for part in json_ld.as_list(node.get("subEvent")) if isinstance(part, dict)]
        if not own_parts:
            if not _is_reference(node):
                yield node
            continue
        inherited = {key: value for key, value in node.items() if key not in {"subEvent", "@id", "url", "identifier"}}
        for part in own_parts:
            parts.add(id(part))
            yield {**inherited, **part}


def _is_reference(node: json_ld.Node) -> bool:
    """Whether an event is only named here: its own page says the rest."""
    return "startDate" not in node and not node.get("eventSchedule") and bool(node.get("url") or node.get("@id"))


def _listed(document: object) -> Iterator[str]:
    """Addresses of the events that a list names without saying their dates."""
    for node in json_ld.nodes(document):
        if "ListItem" in json_ld.types_of(node):
            item = node.get("item")
            if item is None:
                yield from _addresses(node)
            elif isinstance(item, str):
                yield item
            elif isinstance(item, dict) and "startDate" not in item and not item.get("subEvent"):
                yield from _addresses(item)
        elif _is_event(node) and _is_reference(node) and not node.get("subEvent"):
            yield from _addresses(node)


def _addresses(node: json_ld.Node) -> Iterator[str]:
    address = node.get("url") or node.get("@id")
    if isinstance(address, str):
        yield address
