"""Calls of offered functions as SQL."""

from collections.abc import Collection
from functools import reduce
from typing import Any

from sqlalchemy import Select, Text, cast, column, func, literal_column, select

from loppestars_core.database.rows.asked import Asked
from loppestars_core.database.rows.expressions import parameter
from loppestars_core.database.rows.offered import OfferedFunction
from loppestars_core.database.rows.statements import Translator, answer


def invocation(
    translator: Translator, function: OfferedFunction, given: Collection[str], asked: Asked, form: str
) -> Select[Any]:
    """Return the statement that calls a function; its arguments are the parameters `a_<name>`."""
    arguments = [column(name).op("=>")(parameter(f"a_{name}")) for name in sorted(given)]
    called = reduce(getattr, function.name.split("."), func)(*arguments)
    if function.rows_of is not None:
        offered = translator.offer.tables[function.rows_of]
        source = called.table_valued(*(column(found.name, found.type) for found in offered.table.c), name="called")
        counted = select(func.count()).select_from(source).scalar_subquery()
        return answer(translator.rows(offered, source, asked), form, counted)
    written = called if function.nothing else func.to_json(called)
    body = func.coalesce(cast(written, Text), "" if function.nothing else "null")
    rows: Any = literal_column("0" if function.nothing else "1")
    total: Any = literal_column("NULL")
    return select(body.label("body"), rows.label("rows"), total.label("total"))
