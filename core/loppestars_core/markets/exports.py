"""The SQL of exports: everything that a query matches, however much, in an order that writers can stream."""

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.models import Market, MarketState
from loppestars_core.markets.query import MarketQuery, columns, conditions, distance_to, parameters, shape_of

# Written out, so that the partial indexes apply.
_SCHEDULED: Final = f"'{MarketState.SCHEDULED}'"
_CALLED_OFF: Final = f"{_SCHEDULED}, '{MarketState.CANCELLED}', '{MarketState.POSTPONED}'"
_MICROSECONDS: Final[ColumnElement[int]] = literal_column("1000000")


class Order(StrEnum):
    """In which order rows are streamed."""

    DAYS = "days"
    """By their first day, for people."""
    SERIES = "series"
    """The occurrences of a series one after the other, for calendars."""
    CHANGES = "changes"
    """The latest change first, for feeds."""


def compile_export(query: MarketQuery, order: Order, *, called_off: bool) -> tuple[str, dict[str, Any]]:
    """Return the SQL of rows of `COLUMNS`, `series_id`, `state` and `distance`, and its parameters.

    Markets that were cancelled or postponed are among them with `called_off`; what has vanished never is.
    """
    found = _found(query, called_off=called_off)
    page = found.order_by(*_order(found, order)).limit(bindparam("limit", type_=Integer))
    return _compiled(page.offset(bindparam("offset", type_=Integer)), query)


def compile_fingerprint(query: MarketQuery, *, called_off: bool) -> tuple[str, dict[str, Any]]:
    """Return the SQL of one row for all rows of an export, before its page: how many, and a sum of their versions.

    A market is of another version whenever one of its columns has changed (`scraped_at`). The sum does not depend on
    the order, and one that is replaced by another is noticed.
    """
    found = _found(query, called_off=called_off).subquery("found")
    changed = cast(func.extract("epoch", found.c.scraped_at) * _MICROSECONDS, BigInteger)
    version = func.hashtextextended(cast(found.c.id, Text), changed)
    return _compiled(select(func.count().label("count"), func.bit_xor(version).label("versions")), query)


def _found(query: MarketQuery, *, called_off: bool) -> Select[Any]:
    shape = shape_of(query)
    listed = literal_column(f"markets.state IN ({_CALLED_OFF if called_off else _SCHEDULED})", Boolean)
    chosen = [*columns(), Market.series_id, Market.state, distance_to(shape)]
    found = select(*chosen).where(listed, *conditions(shape))
    if not shape.within_radius:
        return found
    inner = found.subquery("within_box")
    return select(inner).where(inner.c.distance <= bindparam("radius_km", type_=Double))


def _order(found: Select[Any], order: Order) -> list[ColumnElement[Any]]:
    column = found.selected_columns
    by_day = [column.start_date, column.name, column.id]
    if order is Order.SERIES:
        return [column.series_id, column.start_date, column.id]
    return by_day if order is Order.DAYS else [column.scraped_at.desc(), *by_day]


def _compiled(statement: Select[Any], query: MarketQuery) -> tuple[str, dict[str, Any]]:
    compiled = statement.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    return str(compiled), dict(compiled.params) | parameters(query, today_in_denmark())
