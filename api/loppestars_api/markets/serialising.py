"""Rows to JSON in one step.

Validating fifty rows by pydantic costs more than reading them. The columns already have the types of `MarketResponse`,
and a test holds that what comes out validates against it.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any, Final

import orjson

from loppestars_api.markets.schemas import KEYS

_SCRAPED_AT: Final = KEYS.index("scraped_at")


def market_bytes(row: Sequence[Any]) -> bytes:
    return _dump(_document(row))


def markets_bytes(rows: Iterable[Sequence[Any]]) -> bytes:
    return _dump([_document(row) for row in rows])


def _document(row: Sequence[Any]) -> dict[str, Any]:
    document = dict(zip(KEYS, row, strict=True))
    # The server's time zone decides the offset of what it returns; clients get UTC.
    document["scraped_at"] = row[_SCRAPED_AT].astimezone(UTC)
    return document


def _dump(content: dict[str, Any] | list[dict[str, Any]]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)
