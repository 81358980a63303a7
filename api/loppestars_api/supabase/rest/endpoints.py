"""`/rest/v1`: reads and writes of the offered resources."""

from http import HTTPStatus
from typing import Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from loppestars_api.access.dependencies import AccessControl
from loppestars_api.supabase.callers import DialectCaller
from loppestars_api.supabase.errors import DialectError
from loppestars_api.supabase.rest.answers import Answer
from loppestars_api.supabase.rest.parsing import OBJECT, RestQuery, parse_preferences, parse_query
from loppestars_api.supabase.rest.service import RestService
from loppestars_api.web.negotiation import accepted

PREFIX: Final = "/rest/v1"
router = APIRouter(prefix=PREFIX, include_in_schema=False)
_JSON: Final = frozenset({"application/json", "*/*", "application/*"})


def _query(request: Request) -> RestQuery:
    return parse_query(request.query_params.multi_items(), request.headers.get("range"))


def _wants_object(request: Request) -> bool:
    names = accepted(request.headers.get("accept", "*/*"))
    if OBJECT in names:
        return True
    if names and not _JSON & set(names):
        message = f"None of these media types are available: {', '.join(names)[:200]}"
        raise DialectError(HTTPStatus.NOT_ACCEPTABLE, "PGRST107", message)
    return False


@router.post("/rpc/{name}")
async def call(request: Request, caller: DialectCaller, access: AccessControl, name: str) -> Response:
    """Call a function."""
    arguments = await _body(request) if await request.body() else {}
    if not isinstance(arguments, dict):
        raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "The arguments must be a JSON object")
    found = await RestService(access.sessions, caller).call(name, arguments)
    return Response(orjson.dumps(found), media_type="application/json")


@router.get("/{table}")
async def read(request: Request, caller: DialectCaller, access: AccessControl, table: str) -> Response:
    """Read rows."""
    query, wanted = _query(request), parse_preferences(request.headers.get("prefer", ""))
    as_object = _wants_object(request)
    page = await RestService(access.sessions, caller).read(table, query, count=wanted.count)
    return Answer(wanted, as_object=as_object).page(page, query)


@router.post("/{table}")
async def insert(request: Request, caller: DialectCaller, access: AccessControl, table: str) -> Response:
    """Write rows."""
    query, wanted = _query(request), parse_preferences(request.headers.get("prefer", ""))
    as_object = _wants_object(request)
    rows = await RestService(access.sessions, caller).insert(table, query, await _body(request))
    return Answer(wanted, as_object=as_object).rows(rows, HTTPStatus.CREATED, location=table)


@router.patch("/{table}")
async def change(request: Request, caller: DialectCaller, access: AccessControl, table: str) -> Response:
    """Change rows."""
    query, wanted = _query(request), parse_preferences(request.headers.get("prefer", ""))
    as_object = _wants_object(request)
    service = RestService(access.sessions, caller)
    rows = await service.change(table, query, await _body(request), one=as_object)
    return Answer(wanted, as_object=as_object).rows(rows, HTTPStatus.OK)


@router.delete("/{table}")
async def remove(request: Request, caller: DialectCaller, access: AccessControl, table: str) -> Response:
    """Delete rows."""
    query, wanted = _query(request), parse_preferences(request.headers.get("prefer", ""))
    as_object = _wants_object(request)
    rows = await RestService(access.sessions, caller).remove(table, query, one=as_object)
    return Answer(wanted, as_object=as_object).rows(rows, HTTPStatus.OK)


async def _body(request: Request) -> object:
    try:
        body: object = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "Empty or invalid json") from None
    return body
