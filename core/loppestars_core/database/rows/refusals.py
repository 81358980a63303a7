"""What is refused: questions that name what is not offered, and rows that break a rule."""

from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError

Result = TypeVar("Result")


class ColumnNotFound(Exception):
    """The table has no such column, or not for this caller."""

    def __init__(self, table: str, column: str) -> None:
        super().__init__(f"column {table}.{column[:60]} does not exist")
        self.table = table
        self.column = column


class RelationNotFound(Exception):
    """The table has no relation of that name."""

    def __init__(self, table: str, relation: str) -> None:
        super().__init__(f"Could not find a relationship between '{table}' and '{relation[:60]}' in the schema cache")


class RelationAmbiguous(Exception):
    """Several relations fit, and nothing says which."""

    def __init__(self, table: str, relation: str, names: list[str]) -> None:
        super().__init__(f"Could not embed because more than one relationship was found for '{table}' and '{relation}'")
        self.names = names


class NotOffered(Exception):
    """An operator, cast or form of question that the table does not offer."""


class RowRefused(Exception):
    """PostgreSQL refused a value or a row; `code` is its SQLSTATE."""

    def __init__(self, code: str, message: str, details: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
        self.hint = hint


# Classes whose messages speak of what the caller sent: data, constraints, a function's own RAISE, types of operands.
_SAYABLE: Final = ("22", "23", "P0", "42501", "42704", "42804", "42883", "42P18", "44000", "428C9", "42P10", "21000")


async def guarded(work: Awaitable[Result]) -> Result:
    """Return what `work` returns. Raise `RowRefused` for what PostgreSQL refused because of what the caller sent."""
    try:
        return await work
    except TypeError as error:  # a value that a row needs was not given
        raise RowRefused("23502", "null value in a column that needs one") from error
    except (psycopg.Error, DBAPIError) as error:
        cause: Any = error.orig if isinstance(error, DBAPIError) else error
        code = str(getattr(cause, "sqlstate", None) or "")
        if isinstance(cause, psycopg.DataError) and not code:  # psycopg's own word: a character that no text holds
            raise RowRefused("22021", 'invalid byte sequence for encoding "UTF8": 0x00') from None
        if not code.startswith(_SAYABLE):
            raise
        shown = cause.diag
        raise RowRefused(code, shown.message_primary or "", shown.message_detail, shown.message_hint) from None
