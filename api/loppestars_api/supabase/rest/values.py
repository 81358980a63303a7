"""Values of filters in the spelling that PostgreSQL reads."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from loppestars_api.supabase.errors import DialectError, refuse

MAX_LIST: Final = 1000


def listed(text: str) -> str:
    """Return the list of `in` as an array of PostgreSQL."""
    if not (text.startswith("(") and text.endswith(")")):
        raise refuse('"failed to parse filter (in)"', "expected a list in parentheses")
    items = split(text[1:-1]) if text != "()" else []
    if len(items) > MAX_LIST:
        raise refuse('"failed to parse filter (in)"', f"at most {MAX_LIST} values")
    return array(items)


def array(items: Sequence[str]) -> str:
    """Return texts as an array of PostgreSQL."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


def split(text: str) -> list[str]:
    """Split a list at its commas; in double quotes a comma is a character, and a backslash quotes the next one."""
    values: list[str] = []
    current, quoted, escaped = "", False, False
    for character in text:
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
    return [*values, current]


def columns_of(rows: Sequence[Any]) -> tuple[str, ...]:
    """Return the names of the columns of rows of JSON, which all have the same. Raise `DialectError`."""
    first = tuple(rows[0]) if rows else ()
    if any(set(row) != set(first) for row in rows):
        raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "All object keys must match")
    return first
