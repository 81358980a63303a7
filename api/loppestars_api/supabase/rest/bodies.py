"""Bodies of writes: JSON, CSV with a heading, or a form."""

import csv
from http import HTTPStatus
from io import StringIO
from typing import Any

import orjson
from fastapi import Request

from loppestars_api.supabase.errors import DialectError


async def read_body(request: Request) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON of a body."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "Empty or invalid json") from None


async def read_rows(request: Request) -> Any:  # noqa: ANN401 - JSON
    """Return the rows of a body; in CSV the word NULL is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind == "text/csv":
        lines = csv.DictReader(StringIO((await request.body()).decode("utf-8", "replace")))
        return [{name: None if value == "NULL" else value for name, value in line.items()} for line in lines]
    if kind == "application/x-www-form-urlencoded":
        return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    return await read_body(request)
