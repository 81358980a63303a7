"""JSON values as Python values of a column's type, for writers of their own."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.database.rows.refusals import RowRefused

_NAMES: Final[Mapping[type, str]] = {
    UUID: "uuid",
    int: "integer",
    float: "double precision",
    Decimal: "numeric",
    bool: "boolean",
    date: "date",
    datetime: "timestamp with time zone",
}
_MAX_INTEGER: Final = 2**63


def typed(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a row as their columns' types. Raise `RowRefused`."""
    return {name: _typed(table.c[name].type.python_type, value) for name, value in row.items()}


def _typed(wanted: type, value: Any) -> Any:  # noqa: ANN401 - of the column's type
    if value is None or wanted in {object, dict}:  # JSON
        return value
    try:
        return _converted(wanted, value)
    except (ValueError, ArithmeticError, TypeError):
        name = _NAMES.get(wanted, "text")
        raise RowRefused("22P02", f'invalid input syntax for type {name}: "{str(value)[:100]}"') from None


def _converted(wanted: type, value: Any) -> Any:  # noqa: ANN401 - of the column's type
    if isinstance(value, dict | list) or isinstance(value, bool) is not (wanted is bool):
        raise TypeError
    if wanted in {date, datetime}:
        return wanted.fromisoformat(str(value))
    found = value if wanted is bool else wanted(str(value))
    if (wanted is int and not -_MAX_INTEGER <= found < _MAX_INTEGER) or (wanted is str and "\x00" in found):
        raise ValueError
    return found


async def add(session: AsyncSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Write rows with the defaults of their columns, and return their ids in order."""
    ids = []
    for row in rows:
        stored = await session.execute(insert(table).values(typed(table, row)).returning(table.c.id))
        ids.append(stored.scalar_one())
    return ids
