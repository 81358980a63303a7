"""A question about rows, as data without values: a value is the number of a parameter."""

from dataclasses import dataclass
from typing import Final

MAX_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Path:
    """A column, or what lies in its JSON: each step is an arrow and a key or position."""

    column: str
    steps: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A column of the answer; `*` is all of them."""

    path: Path
    alias: str
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are, in the place of the rows."""

    alias: str = "count"


@dataclass(frozen=True, slots=True)
class Embedded:
    """Related rows in each row.

    Attributes:
        table: name of the related table, of a foreign key or of its column.
        hint: which relation, where there are several.
        inner: leave out rows that have none.
        spread: put the columns of a single related row among the row's own.
    """

    table: str
    alias: str
    asked: "Asked"
    hint: str | None = None
    inner: bool = False
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of a column; `many` is any or all where the value is a list for an operator of single values."""

    path: Path
    operator: str
    value: int
    negated: bool = False
    many: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """Whether a column is null, true, false or unknown."""

    path: Path
    state: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all (`and`) or any (`or`) hold."""

    word: str
    members: tuple["Condition", ...]
    negated: bool = False


Condition = Comparison | Test | Group
Item = Chosen | Count | Embedded


@dataclass(frozen=True, slots=True)
class Order:
    """One term of an order; `of` is the related row whose column it is."""

    path: Path
    descending: bool = False
    nulls_first: bool | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of a table. `limit` and `offset` are numbers of parameters."""

    select: tuple[Item, ...] = (Chosen(Path("*"), "*"),)
    conditions: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int | None = None
