"""Structured data in a page: JSON-LD, else microdata, else h-event, as objects of https://schema.org.

Reads what sites write for search engines, not JSON-LD 1.1 as a whole: no context is fetched, so terms are taken by
their last part. Scripts that are not JSON are read as JavaScript, then repaired.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import chompjs
import json_repair
import parsel

from loppestars_crawler.text import storable

Node = dict[str, Any]
MAX_NODES: Final = 20_000
"""Objects of one page that are looked at."""
MAX_REPAIRED: Final = 200_000
"""Letters of a script that is not JSON; longer ones are not repaired."""
_MAX_DEPTH: Final = 4
_SCRIPTS: Final = '//script[contains(translate(@type, "LDJSON", "ldjson"), "ld+json")]'
_OPENING: Final = re.compile(r"^(?:<!--|(?://|/\*)?\s?<!\[CDATA\[(?:\s?\*/)?)")
_CLOSING: Final = re.compile(r"(?:-->|(?://|/\*)?\s?\]\]>(?:\s?\*/)?)$")
_MORE_EVENT_TYPES: Final = frozenset({"Festival", "EventSeries", "Hackathon"})
_NOT_EVENT_TYPES: Final = frozenset({"PublicationEvent", "BroadcastEvent", "OnDemandEvent"})
# What a part does not take over from the event it is part of.
_OWN: Final = frozenset({"subEvent", "superEvent", "@id", "@type", "url", "identifier", "eventSchedule"})


class Unreadable(NamedTuple):
    """A script that says nothing even when repaired."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Graph:
    """All objects of a page; `unreadable` and `repaired` are scripts that were not JSON."""

    documents: list[Any]
    unreadable: list[Unreadable] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    def events(self) -> list[Node]:
        """Return the events that take place, references resolved; one with parts is its parts."""
        index = self._index()
        named = [node for node in nodes(self.documents) if is_event(node)]
        parts = {id(part) for node in named for part in _parts(node, index)}
        series = {_identity(node.get("superEvent")) for node in named} - {None}
        events: list[Node] = []
        for node in named:
            own_parts = _parts(node, index)
            is_series = _identity(node) in series and not own_parts
            if id(node) in parts or is_series or (is_reference(node) and not own_parts):
                continue
            whole = node if own_parts else node.get("superEvent")
            events += [_inherited(_resolved(part, index), _resolved(whole, index)) for part in own_parts or [node]]
        return events

    def links(self) -> Iterator[str]:
        """Yield the addresses of events that a list names without saying their dates."""
        for node in nodes(self.documents):
            if "ListItem" in types_of(node):
                item = node.get("item")
                if isinstance(item, str):
                    yield item
                elif item is None or (isinstance(item, dict) and "startDate" not in item and not item.get("subEvent")):
                    yield from _address(item or node)
            elif is_event(node) and is_reference(node) and not node.get("subEvent"):
                yield from _address(node)

    def _index(self) -> dict[str, Node]:
        """Return the objects that others name by `@id`; of several that say the same id, the longest."""
        index: dict[str, Node] = {}
        for node in nodes(self.documents):
            name = _identity(node)
            if name is not None and len(node) > len(index.get(name, {"@id": name})):
                index[name] = node
        return index


def read_page(body: str, selector: parsel.Selector) -> Graph:
    """Return what the scripts of a page say, or the document when the page is JSON itself."""
    if body.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        blocks = [body.lstrip("\ufeff")]
    else:
        blocks = ["".join(script.xpath("./text()").getall()) for script in selector.xpath(_SCRIPTS)]
    graph = Graph([])
    for block in blocks:
        try:
            documents, was_repaired = parse(block)
        except ValueError as error:
            graph.unreadable.append(Unreadable(str(error)[:100], block))
            continue
        graph.documents.extend(documents)
        if was_repaired:
            graph.repaired.append(block)
    return graph


def parse(block: str) -> tuple[list[Any], bool]:
    """Return the documents of a script, storable, and whether it had to be repaired.

    Raises:
        ValueError: it says nothing, or is nested too deeply.
    """
    text = _CLOSING.sub("", _OPENING.sub("", block.strip().rstrip("; \t\r\n"))).strip().rstrip("; \t\r\n")
    try:
        for candidate in dict.fromkeys((text, html.unescape(text))):
            try:
                return [storable(json.loads(candidate, strict=False))], False
            except ValueError:
                continue
        if len(text) > MAX_REPAIRED:
            raise ValueError("not JSON, and too long to be repaired")
        return _repaired(html.unescape(text) if "&quot;" in text else text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _repaired(text: str) -> tuple[list[Any], bool]:
    """Read a script as JavaScript, else repair it."""
    try:
        documents = list[Any](filter(None, chompjs.parse_js_objects(text)))
    except ValueError:
        documents = []
    if documents and all(isinstance(document, dict | list) for document in documents):
        return storable(documents), False
    whole: Any = json_repair.loads(text)
    if not isinstance(whole, dict | list) or not whole:
        raise ValueError("not JSON")
    return storable([whole]), True


def nodes(document: Any) -> Iterator[Node]:  # noqa: ANN401 - a document of JSON
    """Yield the objects of a document, outer before inner, in order, without breadcrumbs and series."""
    waiting = [document]
    for _ in range(MAX_NODES):
        if not waiting:
            return
        value = waiting.pop()
        inner = value if isinstance(value, list) else []
        if isinstance(value, dict):
            if "BreadcrumbList" in types_of(value):
                continue
            yield value
            inner = [item for key, item in value.items() if key != "superEvent"]
        waiting.extend(item for item in reversed(inner) if isinstance(item, dict | list))


def is_event(node: Node) -> bool:
    """Return whether an object is an event of any kind that people go to."""
    types = types_of(node) - _NOT_EVENT_TYPES
    return any(name.endswith("Event") or name in _MORE_EVENT_TYPES for name in types)


def is_reference(node: Node) -> bool:
    """Return whether an event is only named here: its own page, or another object of the page, says the rest."""
    silent = not {"startDate", "eventSchedule", "subEvent"} & {name for name, value in node.items() if value}
    return silent and bool(node.get("url") or node.get("@id"))


def types_of(node: Mapping[str, Any]) -> set[str]:
    """Return the types of an object by the last part of their names: `http://schema.org/Event` is `Event`."""
    return {re.split(r"[/#:]", name)[-1] for name in as_list(node.get("@type")) if isinstance(name, str)}


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - JSON-LD leaves the brackets out where there is one value
    """Return a value as a list; None is an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _identity(value: object) -> str | None:
    """Return the `@id` of an object."""
    name = value.get("@id") if isinstance(value, dict) else None
    return name if isinstance(name, str) else None


def _parts(node: Node, index: Mapping[str, Node]) -> list[Node]:
    """Return the events that an event consists of, those that it only names from elsewhere on the page."""
    found = [index.get(_identity(part) or "", part) for part in as_list(node.get("subEvent")) if isinstance(part, dict)]
    return [part for part in found if not is_reference(part)]


def _resolved(value: Any, index: Mapping[str, Node], depth: int = 0) -> Any:  # noqa: ANN401 - a value of JSON
    """Return a value with the objects that it names by `@id` in place of their names."""
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [_resolved(item, index, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    name = _identity(value)
    if name is not None and name in index and not set(value) - {"@id", "@type"}:
        value = index[name]
    return {key: item if key == "superEvent" else _resolved(item, index, depth + 1) for key, item in value.items()}


def _inherited(part: Node, whole: object) -> Node:
    """Return an event with what it leaves to the event that it is part of; its days are its own."""
    if not isinstance(whole, dict):
        return part
    own = _OWN | {"endDate"} if part.get("startDate") else _OWN
    return {**{key: value for key, value in whole.items() if key not in own}, **part}


def _address(node: Node) -> Iterator[str]:
    address = node.get("url") or node.get("@id")
    if isinstance(address, str):
        yield address
