"""Columns, casts and comparisons as SQL. Values are parameters without a type, which PostgreSQL reads as literals."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    Double,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    Time,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    not_,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, TIMESTAMP, TSVECTOR
from sqlalchemy.types import UserDefinedType

from loppestars_core.database.rows.asked import Comparison, Path, Test
from loppestars_core.database.rows.refusals import NotOffered

_SYMBOLS: Final[Mapping[str, str]] = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "LIKE",
    "ilike": "ILIKE",
    "in": "=",
    "isdistinct": "IS DISTINCT FROM",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
_SEARCHES: Final[Mapping[str, str]] = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
OPERATORS: Final = frozenset({*_SYMBOLS, *_SEARCHES})
# What an index or a short scan answers; a regular expression of a stranger may take long.
PLAIN: Final = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "isdistinct"})
_TYPES: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("text", "varchar"), Text),
    **dict.fromkeys(("integer", "int", "int4"), Integer),
    **dict.fromkeys(("bigint", "int8"), BigInteger),
    **dict.fromkeys(("smallint", "int2"), SmallInteger),
    **dict.fromkeys(("float8", "float"), Double),
    **dict.fromkeys(("boolean", "bool"), Boolean),
    "float4": Float,
    "numeric": Numeric,
    "date": Date,
    "time": Time,
    "timestamp": TIMESTAMP,
    "timestamptz": TIMESTAMP(timezone=True),
    "uuid": Uuid,
    "json": JSON,
    "jsonb": JSONB,
}


class _Literal(UserDefinedType[str]):
    """A parameter whose type PostgreSQL infers from what it stands beside."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        return "text"


def parameter(name: str) -> Any:  # noqa: ANN401 - an SQL expression
    """Return a parameter whose type PostgreSQL infers."""
    return bindparam(name, type_=_Literal())


def value(number: int) -> Any:  # noqa: ANN401 - an SQL expression
    """Return the parameter of a question's value."""
    return parameter(f"v{number}")


def only_for(column: Any, owner: Any) -> Any:  # noqa: ANN401 - an SQL expression
    """Return a column that is null in rows of others than the caller."""
    return case((owner == parameter("caller"), column))


def reached(column: Any, path: Path) -> Any:  # noqa: ANN401 - an SQL expression
    """Return what lies at a path in a column."""
    if path.steps and not isinstance(column.type, JSON | JSONB):
        raise NotOffered(f"{path.column} is not JSON")
    found = column
    for arrow, key in path.steps:
        plain = key if key.removeprefix("-").isdigit() else "'" + key.replace("'", "''") + "'"
        found = found.op(arrow, return_type=Text() if arrow == "->>" else JSONB())(literal_column(plain))
    return found


def as_type(found: Any, name: str) -> Any:  # noqa: ANN401 - an SQL expression
    """Return an expression cast to a type that clients may name. Raise `NotOffered`."""
    if name not in _TYPES:
        raise NotOffered(f"cast to {name[:30]}")
    return cast(found, _TYPES[name])


def compared(found: Any, asked: Comparison) -> Any:  # noqa: ANN401 - an SQL expression
    """Return the comparison of an expression with a value."""
    right = value(asked.value)
    if asked.operator in _SEARCHES:
        words: list[Any] = [literal_column(f"'{asked.language}'::regconfig")] if asked.language else []
        query = getattr(func, _SEARCHES[asked.operator])(*words, right)
        document = found if isinstance(found.type, TSVECTOR) else func.to_tsvector(*words, found)
        comparison = document.op("@@", is_comparison=True)(query)
    else:
        many = "any" if asked.operator == "in" else asked.many
        right = getattr(func, many)(right) if many else right
        comparison = found.op(_SYMBOLS[asked.operator], is_comparison=True)(right)
    return not_(comparison.self_group()) if asked.negated else comparison


def tested(found: Any, asked: Test) -> Any:  # noqa: ANN401 - an SQL expression
    """Return whether an expression is in a state."""
    known = {"null": "NULL", "not_null": "NOT NULL", "true": "TRUE", "false": "FALSE", "unknown": "UNKNOWN"}
    test = found.op("IS", is_comparison=True)(literal_column(known[asked.state]))
    return not_(test.self_group()) if asked.negated else test
