"""Answers: an array, one object or CSV, with the range and total that were asked for."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from starlette.responses import Response

from loppestars_api.supabase.errors import DialectError
from loppestars_api.supabase.rest.preferences import Preferences
from loppestars_api.supabase.rest.reading import Answered
from loppestars_api.web.negotiation import accepted

OBJECT: Final = "application/vnd.pgrst.object+json"
ARRAY: Final = "application/vnd.pgrst.array+json"
_JSON: Final = frozenset({"application/json", "*/*", "application/*", ARRAY, "application/vnd.pgrst.object"})


class Form(StrEnum):
    """How PostgreSQL writes the rows."""

    JSON = "json"
    STRIPPED = "stripped"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the Accept header wants: the form of rows, and whether there is to be exactly one."""

    form: Form = Form.JSON
    single: bool = False


def wanted(accept: str) -> Wanted:
    """Return what an Accept header wants. Raise `DialectError` where nothing of it can be had."""
    names = accepted(accept)
    stripped = Form.STRIPPED if "nulls=stripped" in accept.replace(" ", "") else Form.JSON
    for name in names:
        if name.startswith("application/vnd.pgrst.object"):
            return Wanted(stripped, single=True)
        if name in _JSON:
            return Wanted(stripped)
        if name == "text/csv":
            return Wanted(Form.CSV)
    if not names:
        return Wanted()
    message = f"None of these media types are available: {', '.join(names)[:200]}"
    raise DialectError(HTTPStatus.NOT_ACCEPTABLE, "PGRST107", message)


def page(found: Answered, form: Wanted, offset: int) -> Response:
    """Return the answer of a read."""
    total = found.total
    if total is not None and offset > total:
        details = f"An offset of {offset} was requested, but there are only {total} rows."
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        raise DialectError(status, "PGRST103", "Requested range not satisfiable", details=details)
    shown = f"{offset}-{offset + found.rows - 1}" if found.rows else "*"
    partial = total is not None and found.rows < total
    status = HTTPStatus.PARTIAL_CONTENT if partial and not form.single else HTTPStatus.OK
    return _answer(found, form, status, {"Content-Range": f"{shown}/{'*' if total is None else total}"})


def written(
    found: Answered, form: Wanted, preferences: Preferences, status: HTTPStatus, *, location: str | None = None
) -> Response:
    """Return the answer of a write."""
    total = found.rows if preferences.count else "*"
    shown = f"0-{found.rows - 1}" if found.rows and status is not HTTPStatus.CREATED else "*"
    headers = {"Content-Range": f"{shown}/{total}"}
    if preferences.applied:
        headers["Preference-Applied"] = ", ".join(preferences.applied)
    if preferences.representation == "headers-only" and location:
        headers["Location"] = location
    if preferences.representation != "representation" and not form.single:
        return Response(status_code=status if status is HTTPStatus.CREATED else HTTPStatus.NO_CONTENT, headers=headers)
    return _answer(found, form, status, headers)


def check_single(rows: int) -> None:
    """Refuse to answer with one object where there is none, or several."""
    if rows != 1:
        raise DialectError(
            HTTPStatus.NOT_ACCEPTABLE,
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
            details=f"The result contains {rows} rows",
        )


def _answer(found: Answered, form: Wanted, status: HTTPStatus, headers: dict[str, str]) -> Response:
    headers["Cache-Control"] = "no-store"
    if not form.single:
        kind = "text/csv; charset=utf-8" if form.form is Form.CSV else "application/json"
        return Response(found.body, status, headers, media_type=kind)
    check_single(found.rows)
    return Response(found.body[1:-1], status, headers, media_type=OBJECT)
