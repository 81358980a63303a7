"""JSON-LD in a page: its objects, whatever graph, list or nesting they are in.

Reads what sites write for search engines (https://schema.org, the subset of JSON-LD 1.1 without remote contexts), not
JSON-LD as a whole: no context is fetched, so terms are taken by their last part.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import parsel

from loppestars_crawler.text import storable

Node = dict[str, Any]
MOST_NODES = 20_000
"""Objects of one page that are looked at."""
_WRAPPING = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/)|(?:-->|//\s*\]\]>|/\*\s*\]\]>\s*\*/)\s*$"
)


def blocks(body: str, selector: parsel.Selector) -> list[str]:
    """Texts that hold JSON-LD: the scripts of a page, or all of a document that is JSON itself."""
    if body.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        return [body.lstrip("\ufeff")]
    return selector.xpath('//script[contains(@type, "ld+json")]/text()').getall()


def parse(block: str) -> Any:  # noqa: ANN401 - a document of JSON
    """What a block says, storable; sites that put line breaks into strings are understood.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return storable(json.loads(_WRAPPING.sub("", block), strict=False))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def nodes(document: Any) -> Iterator[Node]:  # noqa: ANN401 - a document of JSON
    """All objects of a document, outer before inner, in order; at most `MOST_NODES`."""
    waiting = [document]
    for _ in range(MOST_NODES):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            inner = list(value.values())
        else:
            inner = value if isinstance(value, list) else []
        waiting.extend(item for item in reversed(inner) if isinstance(item, dict | list))


def types_of(node: Node) -> set[str]:
    """Types of an object by the last part of their names: `http://schema.org/Event` is `Event`."""
    return {re.split(r"[/#:]", name)[-1] for name in as_list(node.get("@type")) if isinstance(name, str)}


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - JSON-LD leaves the brackets out where there is one value
    """A value as a list; None is none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
