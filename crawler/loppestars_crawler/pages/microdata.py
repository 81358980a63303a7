"""Microdata and h-event of a page as objects of https://schema.org."""

from typing import Any, Final

import mf2py
import parsel
from extruct.w3cmicrodata import MicrodataExtractor

from loppestars_crawler.pages.json_ld import Node, as_list
from loppestars_crawler.text import storable

MAX_PAGE: Final = 2_000_000
"""Letters of a page whose microformats are looked for."""
_PROPERTIES: Final = {
    "name": "name",
    "start": "startDate",
    "end": "endDate",
    "url": "url",
    "uid": "identifier",
    "summary": "description",
    "content": "description",
    "status": "eventStatus",
    "organizer": "organizer",
}
_ADDRESS: Final = {
    "street-address": "streetAddress",
    "postal-code": "postalCode",
    "locality": "addressLocality",
    "region": "addressRegion",
    "country-name": "addressCountry",
}


def read_microdata(page: parsel.Selector, url: str) -> list[Node]:
    """Return the items of a page (https://html.spec.whatwg.org/#microdata)."""
    if not page.xpath("//*[@itemscope][1]"):
        return []
    items = MicrodataExtractor().extract_items(page.root, url)
    return [_node(item) for item in items if isinstance(item, dict)]


def read_h_events(body: str, url: str) -> list[Node]:
    """Return the h-events of a page (https://microformats.org/wiki/h-event)."""
    if ("h-event" not in body and "vevent" not in body) or len(body) > MAX_PAGE:
        return []
    return [_event(item) for item in _items(mf2py.parse(doc=body, url=url)["items"]) if "h-event" in item["type"]]


def _node(item: Any) -> Any:  # noqa: ANN401 - text, a list, or an item
    if isinstance(item, list):
        return [_node(part) for part in item]
    if not isinstance(item, dict) or "properties" not in item:
        return storable(item)
    properties = {name: _node(value) for name, value in item["properties"].items()}
    named = {"@id": item["id"]} if isinstance(item.get("id"), str) else {}
    return {"@type": item.get("type"), **named, **properties}


def _items(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items and those inside of them."""
    return [found for item in items for found in (item, *_items(item.get("children", [])))]


def _event(item: dict[str, Any]) -> Node:
    said = item["properties"]
    node: Node = {"@type": "Event"}
    for name, term in _PROPERTIES.items():
        if value := _first(said.get(name)):
            node.setdefault(term, value)
    if place := _place(next(iter(as_list(said.get("location"))), None), said):
        node["location"] = place
    return node


def _place(location: Any, event: dict[str, Any]) -> Node | str | None:  # noqa: ANN401 - text, or a card
    """Return the place of a card, of the event's own address, or in words."""
    said = location["properties"] if isinstance(location, dict) and "properties" in location else event
    inner = next((part["properties"] for part in as_list(said.get("adr")) if isinstance(part, dict)), said)
    address = {term: value for name, term in _ADDRESS.items() if (value := _first(inner.get(name)))}
    point = {name: value for name in ("latitude", "longitude") if (value := _first(said.get(name)))}
    if not address and not point:
        return _first([location])
    name = _first(said.get("name")) if said is not event else None
    return {"@type": "Place", "name": name, "address": {"@type": "PostalAddress", **address}, "geo": point}


def _first(values: Any) -> str | None:  # noqa: ANN401 - texts, or cards with a value
    for value in as_list(values):
        text = value.get("value") if isinstance(value, dict) else value
        if isinstance(text, str) and text.strip():
            return str(storable(text))
    return None
