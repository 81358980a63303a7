"""Tables and documents of many markets: JSON, GeoJSON and CSV, written batch by batch. Pure."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import orjson

from loppestars_api.markets.schemas import KEYS, Row, document

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# What a spreadsheet takes for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_OF_GEOMETRY: Final = frozenset({"latitude", "longitude"})


async def write_json(batches: AsyncIterator[list[Row]]) -> AsyncIterator[bytes]:
    """Yield an array of MarketResponse."""
    async for part in _array(batches, b"[", document, b"]"):
        yield part


async def write_geojson(batches: AsyncIterator[list[Row]]) -> AsyncIterator[bytes]:
    """Yield a FeatureCollection (RFC 7946); a market whose place is not known has no geometry."""
    async for part in _array(batches, b'{"type":"FeatureCollection","features":[', _feature, b"]}"):
        yield part


async def write_csv(batches: AsyncIterator[list[Row]], *, byte_order_mark: bool = False) -> AsyncIterator[bytes]:
    """Yield a table with a row of names (RFC 4180). Text that a spreadsheet would compute begins with an apostrophe."""
    yield (BYTE_ORDER_MARK if byte_order_mark else b"") + (",".join(KEYS) + "\r\n").encode()
    async for batch in batches:
        table = io.StringIO()
        csv.writer(table).writerows([_cell(value) for value in document(row).values()] for row in batch)
        yield table.getvalue().encode("utf-8", "replace")


async def _array(
    batches: AsyncIterator[list[Row]], opening: bytes, item: Callable[[Row], dict[str, Any]], closing: bytes
) -> AsyncIterator[bytes]:
    """Yield the items of an array between `opening` and `closing`."""
    before = opening
    async for batch in batches:
        items = b",".join(orjson.dumps(item(row), option=orjson.OPT_UTC_Z) for row in batch)
        yield before + items
        before = b","
    yield closing if before == b"," else opening + closing


def _feature(row: Row) -> dict[str, Any]:
    properties = {name: value for name, value in document(row).items() if name not in _OF_GEOMETRY}
    point = {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]}
    geometry = None if row["latitude"] is None else point
    return {"type": "Feature", "id": row["id"], "geometry": geometry, "properties": properties}


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, orjson.Fragment):
        return orjson.dumps(value).decode()
    if value is None:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else value
