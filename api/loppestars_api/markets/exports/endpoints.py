"""Exports and feeds of markets: whole documents, streamed."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from loppestars_api.markets.exports import atom, calendar
from loppestars_api.markets.exports.documents import write_csv, write_geojson, write_json
from loppestars_api.markets.exports.parameters import ExportParameters
from loppestars_api.markets.exports.reading import MarketExports
from loppestars_api.markets.exports.response import StreamedExport
from loppestars_api.markets.schemas import MarketResponse, Row
from loppestars_api.state import State
from loppestars_api.web.errors import answers
from loppestars_api.web.etag import is_known, validators
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.exports import Order
from loppestars_core.markets.query import MarketQuery

GEOJSON: Final = "application/geo+json"
_FEED_ENTRIES: Final = 100
_CSV: Final = "text/csv; charset=utf-8; header=present"
_ERRORS: Final = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
Write = Callable[[AsyncIterator[list[Row]]], AsyncIterator[bytes]]

router = APIRouter(tags=["exports"])


async def exports_of(request: Request) -> MarketExports:
    """Return what opens exports."""
    found: MarketExports = request.app.state.exports
    return found


Exports = Annotated[MarketExports, Depends(exports_of)]


def _documented(media_type: str, example: object) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of an export."""
    kind = "string" if isinstance(example, str) else "object"
    content = {media_type: {"schema": {"type": kind}, "example": example}} if example else {}
    unchanged = {"description": "Unchanged since the given If-None-Match"}
    ok = {"description": "The markets, as a stream", "content": content}
    return {HTTPStatus.OK.value: ok, HTTPStatus.NOT_MODIFIED.value: unchanged, **answers(*_ERRORS)}


@router.get("/markets.json", response_model=list[MarketResponse], responses=_documented("application/json", None))
async def as_json(request: Request, exports: Exports, asked: ExportParameters) -> Response:
    """Export all markets that match as one array, by their days; by default all that run today or later."""
    return await _stream(request, exports, asked.since(today_in_denmark()), write_json, "application/json")


@router.get(
    "/markets.geojson",
    response_class=Response,
    responses=_documented(GEOJSON, {"type": "FeatureCollection", "features": []}),
)
async def as_geojson(request: Request, exports: Exports, asked: ExportParameters) -> Response:
    """Export all markets that match for a map (GeoJSON, RFC 7946); one whose place is not known has no geometry."""
    return await _stream(request, exports, asked.since(today_in_denmark()), write_geojson, GEOJSON)


@router.get("/markets.csv", response_class=Response, responses=_documented("text/csv", "id,external_id,name\r\n"))
async def as_csv(
    request: Request,
    exports: Exports,
    asked: ExportParameters,
    *,
    bom: Annotated[bool, Query(description="Begin with a byte order mark, by which Excel knows UTF-8.")] = False,
) -> Response:
    """Export all markets that match as a table in UTF-8. Text that a spreadsheet would compute gets an apostrophe."""
    write = partial(write_csv, byte_order_mark=bom)
    query = asked.since(today_in_denmark())
    return await _stream(request, exports, query, write, _CSV, disposition='attachment; filename="markets.csv"')


@router.get(
    "/markets.ics",
    response_class=Response,
    responses=_documented("text/calendar", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"),
)
async def as_calendar(request: Request, exports: Exports, asked: ExportParameters) -> Response:
    """Publish all markets that match as a calendar that phones subscribe to, by default from last month on.

    The occurrences of one market are one recurring event; what is cancelled or postponed stays in it as cancelled.
    """
    # A calendar keeps what has just been, and its tag for a month.
    this_month = today_in_denmark().replace(day=1)
    query = asked.since((this_month - timedelta(days=1)).replace(day=1))
    return await _stream(
        request,
        exports,
        query,
        calendar.write_calendar,
        calendar.MEDIA_TYPE,
        order=Order.SERIES,
        disposition='inline; filename="loppestars.ics"',
    )


@router.get("/markets.atom", response_class=Response, responses=_documented("application/atom+xml", "<feed/>"))
async def as_atom(request: Request, exports: Exports, asked: ExportParameters, state: State) -> Response:
    """Publish what changed last among all markets that match, cancelled ones included; 100 entries by default."""
    site = str(state.settings.public_url).rstrip("/")
    query_string = request.url.query
    address = f"{site}/markets.atom" + (f"?{query_string}" if query_string else "")
    write = partial(atom.write_atom, address=address, site=site)
    query = asked.since(today_in_denmark(), _FEED_ENTRIES)
    return await _stream(request, exports, query, write, atom.MEDIA_TYPE, order=Order.CHANGES)


async def _stream(  # noqa: PLR0913 - what the formats differ by
    request: Request,
    exports: MarketExports,
    query: MarketQuery,
    write: Write,
    media_type: str,
    *,
    order: Order = Order.DAYS,
    disposition: str = "inline",
) -> Response:
    """Answer with the markets of `query`, or with 304, from one snapshot of the database."""
    async with AsyncExitStack() as stack:
        called_off = order is not Order.DAYS
        export = await exports.open(query, order, called_off=called_off, stack=stack)
        tag = f"{export.tag}-{request.url.path.rpartition('.')[2]}"
        headers = {**validators(tag), "Content-Disposition": disposition}
        if is_known(tag, request.headers):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**headers, "Vary": "Accept-Encoding"})
        if request.scope.get("head_only"):
            return Response(status_code=HTTPStatus.OK, headers=headers, media_type=media_type)
        return StreamedExport(write(export.batches()), media_type=media_type, headers=headers, close=stack.pop_all())
