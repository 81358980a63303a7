"""Rows of a table by expressions that the caller chose: filters, order, pages, and what comes back.

For clients that say which columns and rows they want. A caller hands over expressions, never text: a value becomes a
parameter of its column's type, or `BadValue`.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

Result = TypeVar("Result")

MAX_LIST_VALUES: Final = 1000
_PATTERNS: Final = frozenset({"like", "ilike"})
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
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "t": True, "false": False, "f": False}

_REFUSALS: Final[Mapping[str, str]] = {
    "23502": "null value in a column that needs one",
    "23503": "insert or update violates a foreign key constraint",
    "23505": "duplicate key value violates a unique constraint",
    "23514": "new row violates a check constraint",
    "42501": "new row violates row-level security policy",
    "22003": "value out of range",
}


class BadValue(Exception):
    """A value that is not of its column's type."""

    def __init__(self, type_name: str, value: object) -> None:
        super().__init__(f'invalid input syntax for type {type_name}: "{str(value)[:100]}"')


class UnknownOperator(Exception):
    """An operator that is not offered."""


def typed(expression: Any, value: Any) -> Any:  # noqa: ANN401 - of the column's type
    """Convert text or JSON to the type of a column. Raise `BadValue`."""
    if value is None:
        return None
    try:
        wanted = expression.type.python_type
    except NotImplementedError:
        wanted = str
    try:
        return _converted(wanted, value)
    except (ValueError, ArithmeticError, TypeError, KeyError):
        raise BadValue(_NAMES.get(wanted, "text"), value) from None


def _converted(wanted: type, value: Any) -> Any:  # noqa: ANN401 - see `typed`
    if wanted is object:  # JSON
        return value
    if wanted is bool:
        return value if isinstance(value, bool) else _BOOLEANS[str(value).lower()]
    if isinstance(value, dict | list | bool):
        raise TypeError
    if wanted in {date, datetime}:
        return wanted.fromisoformat(str(value))
    if wanted is int:
        number = int(str(value))
        if not -_MAX_INTEGER <= number < _MAX_INTEGER:
            raise ValueError
        return number
    if wanted is str and "\x00" in str(value):
        raise ValueError
    return wanted(str(value))


def condition(expression: Any, operator: str, value: str | Sequence[str]) -> Any:  # noqa: ANN401 - an SQL expression
    """Return the comparison of a column. Raise `BadValue` or `UnknownOperator`."""
    if operator == "in":
        if len(value) > MAX_LIST_VALUES:
            raise UnknownOperator(f"at most {MAX_LIST_VALUES} values")
        return expression.in_([typed(expression, item) for item in value])
    text = str(value)
    if operator == "is":
        known = {"null": None, "true": True, "false": False}
        if text.lower() not in known:
            raise UnknownOperator(f"is.{text[:20]}")
        return expression.is_(known[text.lower()])
    if operator in _PATTERNS:
        pattern = typed_text(text).replace("*", "%")
        return expression.like(pattern) if operator == "like" else expression.ilike(pattern)
    right = typed(expression, text)
    comparisons = {
        "eq": expression.__eq__,
        "neq": expression.__ne__,
        "gt": expression.__gt__,
        "gte": expression.__ge__,
        "lt": expression.__lt__,
        "lte": expression.__le__,
    }
    if operator not in comparisons:
        raise UnknownOperator(operator)
    return comparisons[operator](right)


def typed_text(text: str) -> str:
    """Refuse what PostgreSQL's text cannot hold."""
    if "\x00" in text:
        raise BadValue("text", text)
    return text


def negated(expression: Any) -> Any:  # noqa: ANN401 - an SQL expression
    """Return the opposite of a condition."""
    return ~expression


def ordering(expression: Any, *, descending: bool, nulls_first: bool | None) -> Any:  # noqa: ANN401 - an SQL expression
    """Return one term of an order."""
    term = expression.desc() if descending else expression.asc()
    if nulls_first is None:
        return term
    return term.nulls_first() if nulls_first else term.nulls_last()


def only_for(expression: Any, owner: Any, user_id: str | None) -> Any:  # noqa: ANN401 - an SQL expression
    """Return a column that is null in rows of other owners."""
    return case((owner == (user_id or ""), expression))


def count_related(child: Any, parent: Any) -> Any:  # noqa: ANN401 - an SQL expression
    """Return how many rows refer to the row."""
    return select(func.count()).where(child == parent).scalar_subquery()


async def fetch(  # noqa: PLR0913 - the parts of a SELECT
    session: AsyncSession,
    columns: Mapping[str, Any],
    conditions: Sequence[Any],
    orders: Sequence[Any] = (),
    *,
    limit: int,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Read a page of rows."""
    statement = select(*(column.label(name) for name, column in columns.items())).where(*conditions)
    found = await session.execute(statement.order_by(*orders).limit(limit).offset(offset))
    return [dict(row) for row in found.mappings()]


async def count(session: AsyncSession, model: Any, conditions: Sequence[Any]) -> int:  # noqa: ANN401 - a mapped class
    """Count rows."""
    statement = select(func.count()).select_from(model).where(*conditions)
    return int((await session.execute(statement)).scalar_one())


async def add(session: AsyncSession, model: Any, rows: Sequence[Mapping[Any, Any]]) -> list[Any]:  # noqa: ANN401 - ids
    """Write rows and return their ids in order."""
    ids = []
    for row in rows:
        stored = await session.execute(insert(model).values(dict(row)).returning(model.id))
        ids.append(stored.scalar_one())
    return ids


async def change(session: AsyncSession, model: Any, conditions: Sequence[Any], values: Mapping[Any, Any]) -> list[Any]:  # noqa: ANN401 - ids
    """Change rows and return their ids."""
    statement = update(model).where(*conditions).values(dict(values)).returning(model.id)
    return list((await session.execute(statement)).scalars())


async def remove(session: AsyncSession, model: Any, conditions: Sequence[Any]) -> list[Any]:  # noqa: ANN401 - ids
    """Delete rows and return their ids."""
    return list((await session.execute(delete(model).where(*conditions).returning(model.id))).scalars())


class RowRefused(Exception):
    """PostgreSQL refused the row; `code` is its SQLSTATE."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def guarded(writing: Awaitable[Result]) -> Result:
    """Return what a write returns. Raise `RowRefused` with what may be said about a row that breaks a rule."""
    try:
        return await writing
    except TypeError as error:  # a value that a row needs was not given
        raise RowRefused("23502", "null value in a column that needs one") from error
    except DBAPIError as error:
        code = str(getattr(error.orig, "sqlstate", "") or "")
        if code not in _REFUSALS:
            raise
        raise RowRefused(code, _REFUSALS[code]) from None
