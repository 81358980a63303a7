"""What a request asks for: select, filters, order, page and preferences, as data. Nothing here knows a table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from loppestars_api.supabase.errors import DialectError

MAX_ROWS: Final = 1000
MAX_OFFSET: Final = 100_000
MAX_PARTS: Final = 100
OBJECT: Final = "application/vnd.pgrst.object+json"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_ITEM: Final = re.compile(
    r"(?:(?P<alias>[A-Za-z_][A-Za-z0-9_]{0,62}):)?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,62}|\*)(?P<inner>\([^()]{0,100}\))?"
)
_RESERVED: Final = frozenset({"select", "order", "limit", "offset", "columns", "on_conflict", "apikey"})
_OPERATORS: Final = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "is"})
_RANGE: Final = re.compile(r"(\d{1,9})-(\d{0,9})")


@dataclass(frozen=True, slots=True)
class Selected:
    """One item of `select`: a column, `*`, or an embedded resource with what is wanted of it."""

    name: str
    alias: str
    embedded: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A comparison of a column; `value` is a list for `in`."""

    column: str
    operator: str
    value: str | tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One term of `order`."""

    column: str
    descending: bool
    nulls_first: bool | None


@dataclass(frozen=True, slots=True)
class RestQuery:
    """The parameters of a request to a resource."""

    select: tuple[Selected, ...] = (Selected("*", "*"),)
    filters: tuple[Filter, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = MAX_ROWS
    offset: int = 0
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the headers ask of the answer."""

    count: bool = False
    representation: str = "minimal"
    applied: tuple[str, ...] = field(default=())


def refuse(message: str, details: str | None = None) -> DialectError:
    """Return the error for what the dialect does not understand."""
    return DialectError(HTTPStatus.BAD_REQUEST, "PGRST100", message, details=details)


def parse_query(parameters: Sequence[tuple[str, str]], range_header: str | None = None) -> RestQuery:
    """Parse the parameters of a request. Raise `DialectError`."""
    if len(parameters) > MAX_PARTS:
        raise refuse(f"more than {MAX_PARTS} parameters")
    single = {name: value for name, value in parameters if name in _RESERVED}
    limit, offset = _page(single, range_header)
    return RestQuery(
        select=_select(single["select"]) if single.get("select") else RestQuery().select,
        filters=tuple(_filter(name, value) for name, value in parameters if name not in _RESERVED),
        order=_order(single.get("order", "")),
        limit=limit,
        offset=offset,
        columns=tuple(part.strip().strip('"') for part in single.get("columns", "").split(",") if part.strip()),
    )


def _page(single: dict[str, str], range_header: str | None) -> tuple[int, int]:
    limit, offset = MAX_ROWS, 0
    found = _RANGE.fullmatch((range_header or "").removeprefix("items=").strip())
    if found:
        offset = int(found[1])
        limit = int(found[2]) - offset + 1 if found[2] else MAX_ROWS
        if limit < 1:
            raise DialectError(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "PGRST103", "Requested range not satisfiable"
            )
    if "limit" in single:
        limit = _natural("limit", single["limit"])
    if "offset" in single:
        offset = _natural("offset", single["offset"])
    return min(limit, MAX_ROWS), offset


def _natural(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(MAX_OFFSET)) or int(text) > MAX_OFFSET:
        raise refuse(f"{name} must be a number from 0 to {MAX_OFFSET}")
    return int(text)


def _select(text: str) -> tuple[Selected, ...]:
    items = re.split(r",(?![^(]*\))", "".join(text.split()))
    if len(items) > MAX_PARTS:
        raise refuse(f"more than {MAX_PARTS} columns")
    selected = []
    for item in items:
        found = _ITEM.fullmatch(item.replace('"', ""))
        if found is None:
            raise refuse(f'"failed to parse select parameter ({text[:100]})"', f"unexpected {item[:40]!r}")
        inner = found["inner"]
        selected.append(Selected(found["name"], found["alias"] or found["name"], inner[1:-1] if inner else None))
    return tuple(selected)


def _filter(name: str, text: str) -> Filter:
    if not _NAME.fullmatch(name) or name in {"and", "or", "not"}:
        raise refuse(f'"failed to parse filter ({name[:60]})"')
    negated = text.startswith("not.")
    operator, dot, value = text.removeprefix("not.").partition(".")
    if not dot or operator not in _OPERATORS:
        raise refuse(f'"failed to parse filter ({text[:60]})"', "unknown operator")
    if operator == "in":
        return Filter(name, operator, _values(value), negated)
    return Filter(name, operator, value, negated)


def _values(text: str) -> tuple[str, ...]:
    if not (text.startswith("(") and text.endswith(")")):
        raise refuse('"failed to parse filter (in)"', "expected a list in parentheses")
    values: list[str] = []
    current, quoted, escaped = "", False, False
    for character in text[1:-1]:
        if escaped:
            current, escaped = current + character, False
        elif character == "\\" and quoted:
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            values.append(current)
            current = ""
        else:
            current += character
    return (*values, current) if text != "()" else ()


def _order(text: str) -> tuple[Order, ...]:
    terms = []
    for part in text.split(",") if text else ():
        column, *modifiers = part.strip().split(".")
        if not _NAME.fullmatch(column) or not set(modifiers) <= {"asc", "desc", "nullsfirst", "nullslast"}:
            raise refuse(f'"failed to parse order ({text[:60]})"')
        nulls = True if "nullsfirst" in modifiers else False if "nullslast" in modifiers else None
        terms.append(Order(column, "desc" in modifiers, nulls))
    return tuple(terms)


def parse_preferences(header: str) -> Preferences:
    """Parse the Prefer header; what is not known is ignored, as PostgREST does."""
    wanted = dict(part.strip().partition("=")[::2] for part in header[:1000].split(",") if "=" in part)
    representation = wanted.get("return", "minimal")
    applied = []
    if representation in {"representation", "minimal", "headers-only"} and "return" in wanted:
        applied.append(f"return={representation}")
    if wanted.get("count") in {"exact", "planned", "estimated"}:
        applied.append(f"count={wanted['count']}")
    return Preferences("count" in wanted, representation, tuple(applied))
