"""`/rest/v1`: reads and writes of what is offered."""

from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from loppestars_api.access.dependencies import AccessControl
from loppestars_api.supabase.callers import DialectCaller, identify
from loppestars_api.supabase.errors import DialectError
from loppestars_api.supabase.rest import answers
from loppestars_api.supabase.rest.answers import Wanted
from loppestars_api.supabase.rest.bodies import read_body, read_rows
from loppestars_api.supabase.rest.functions import NAMES, call_role, no_function
from loppestars_api.supabase.rest.parsing import RESERVED, parse
from loppestars_api.supabase.rest.preferences import parse_preferences
from loppestars_api.supabase.rest.service import Call, RestService, Write

PREFIX: Final = "/rest/v1"
READ_PATH: Final = f"{PREFIX}/{{table}}"
router = APIRouter(prefix=PREFIX, include_in_schema=False)


async def rest_of(request: Request) -> RestService:
    """Return what answers requests."""
    found: RestService = request.app.state.rest
    return found


Rest = Annotated[RestService, Depends(rest_of)]


def _query(request: Request) -> str:
    try:
        return str(request.scope["query_string"].decode("ascii"))
    except UnicodeDecodeError:
        return str(request.scope["query_string"].decode("latin-1"))


@router.get("/rpc/{name}")
@router.post("/rpc/{name}")
async def call(request: Request, caller: DialectCaller, access: AccessControl, rest: Rest, name: str) -> Response:
    """Call a function."""
    if request.method == "POST":
        arguments = await read_body(request) if await request.body() else {}
    else:
        arguments = dict(request.query_params)
    if not isinstance(arguments, dict):
        raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "The arguments must be a JSON object")
    if name in NAMES:
        found = await call_role(access.sessions, caller, name, arguments)
        return Response(orjson.dumps(found), media_type="application/json")
    function = rest.offer.functions.get(name)
    if function is None:
        raise no_function(name, arguments)
    # What is not a filter, select or page has to be an argument.
    if {key for key, value in request.query_params.items() if "." not in value} - function.arguments - RESERVED:
        raise no_function(name, arguments)
    preferences = parse_preferences(request.headers.getlist("prefer"))
    wanted = answers.wanted(request.headers.get("accept", "*/*"))
    question = parse(_query(request), request.headers.get("range"), function.arguments)
    if not set(arguments) - set(request.query_params) <= function.arguments:
        raise no_function(name, arguments)
    given = {key: value for key, value in arguments.items() if key in function.arguments}
    write = Write(
        name, question, preferences, Wanted(wanted.form, single=wanted.single and function.rows_of is not None)
    )
    answered = await rest.call(caller, Call(function, given, write))
    if function.rows_of is None:
        return Response(answered.body, media_type="application/json") if answered.rows else Response(status_code=204)
    return answers.page(answered, wanted, question.offset)


async def read(request: Request) -> Response:
    """Read rows: fifty times at once in the app, and so without the framework's resolving of dependencies."""
    request.scope["route_template"] = READ_PATH
    parts, headers = request.app.state, request.headers
    caller = await identify(request, parts.access, parts.shared)
    wanted = answers.wanted(headers.get("accept", "*/*"))
    question = parse(_query(request), headers.get("range"))
    counted, rest = "count=" in headers.get("prefer", ""), parts.rest
    found = await rest.read(caller, request.path_params["table"], question, wanted.form, counted=counted)
    return answers.page(found, wanted, question.offset)


router.add_route(READ_PATH, read, methods=["GET"])


@router.post("/{table}")
async def insert(request: Request, caller: DialectCaller, rest: Rest, table: str) -> Response:
    """Write rows."""
    write = _write(request, table, await read_rows(request))
    found = await rest.insert(caller, write)
    return answers.written(
        found, write.wanted, write.preferences, HTTPStatus.CREATED, location=_location(table, write, found)
    )


@router.patch("/{table}")
async def change(request: Request, caller: DialectCaller, rest: Rest, table: str) -> Response:
    """Change rows."""
    write = _write(request, table, await read_body(request))
    return answers.written(await rest.change(caller, write), write.wanted, write.preferences, HTTPStatus.OK)


@router.delete("/{table}")
async def remove(request: Request, caller: DialectCaller, rest: Rest, table: str) -> Response:
    """Delete rows."""
    write = _write(request, table, None)
    return answers.written(await rest.remove(caller, write), write.wanted, write.preferences, HTTPStatus.OK)


def _write(request: Request, table: str, body: Any) -> Write:  # noqa: ANN401 - JSON
    preferences = parse_preferences(request.headers.getlist("prefer"))
    return Write(table, parse(_query(request)), preferences, answers.wanted(request.headers.get("accept", "*/*")), body)


def _location(table: str, write: Write, found: Any) -> str | None:  # noqa: ANN401 - an answer
    if write.preferences.representation != "headers-only" or found.rows != 1:
        return None
    row = orjson.loads(found.body)[0]
    return f"/{table}?id=eq.{row.get('id')}" if "id" in row else None
