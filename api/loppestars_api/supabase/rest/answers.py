"""Rows as answers: an array or one object, with the range and total that were asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

from loppestars_api.supabase.errors import DialectError
from loppestars_api.supabase.rest.parsing import OBJECT, Preferences, RestQuery

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that were read, and how many there are in all where that was asked for."""

    rows: Sequence[Row]
    total: int | None


class Answer:
    """How a request wants its rows."""

    def __init__(self, preferences: Preferences, *, as_object: bool) -> None:
        self._preferences = preferences
        self._as_object = as_object

    def page(self, page: Page, query: RestQuery) -> Response:
        """Return the answer of a read."""
        total = page.total
        if total is not None and query.offset and query.offset >= total:
            details = f"An offset of {query.offset} was requested, but there are only {total} rows."
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            raise DialectError(status, "PGRST103", "Requested range not satisfiable", details=details)
        last = query.offset + len(page.rows) - 1
        shown = f"{query.offset}-{last}" if page.rows else "*"
        headers = {"Content-Range": f"{shown}/{'*' if total is None else total}"}
        partial = total is not None and 0 < len(page.rows) < total
        status = HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK
        return self._answer(page.rows, status, headers)

    def rows(self, rows: Sequence[Row], status: HTTPStatus, *, location: str | None = None) -> Response:
        """Return the answer of a write."""
        headers = {"Content-Range": "*/*"}
        if self._preferences.applied:
            headers["Preference-Applied"] = ", ".join(self._preferences.applied)
        if self._preferences.representation == "headers-only" and location and len(rows) == 1:
            headers["Location"] = f"/{location}?id=eq.{rows[0].get('id')}"
        if self._preferences.representation != "representation" and not self._as_object:
            return Response(
                status_code=status if status is HTTPStatus.CREATED else HTTPStatus.NO_CONTENT, headers=headers
            )
        return self._answer(rows, status, headers)

    def _answer(self, rows: Sequence[Row], status: HTTPStatus, headers: dict[str, str]) -> Response:
        headers["Cache-Control"] = "no-store"
        if not self._as_object:
            return Response(_dump(list(rows)), status, headers, media_type="application/json")
        check_single(rows)
        ok = HTTPStatus.OK if status is HTTPStatus.PARTIAL_CONTENT else status
        return Response(_dump(rows[0]), ok, headers, media_type=OBJECT)


def check_single(rows: Sequence[object]) -> None:
    """Refuse to answer with one object where there is none, or several."""
    if len(rows) != 1:
        raise DialectError(
            HTTPStatus.NOT_ACCEPTABLE,
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
            details=f"The result contains {len(rows)} rows",
        )


def _dump(content: object) -> bytes:
    return orjson.dumps(content, default=_number)


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError
