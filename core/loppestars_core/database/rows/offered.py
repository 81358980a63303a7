"""Tables that are offered, as declared data: columns, rules, operators and relations.

Any list can be mounted: `offer_all` makes one of plain tables, with the relations that their foreign keys say.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table, UniqueConstraint, and_, exists

from loppestars_core.database.rows.asked import MAX_ROWS, Asked
from loppestars_core.database.rows.expressions import OPERATORS, PLAIN
from loppestars_core.database.rows.refusals import RelationAmbiguous, RelationNotFound

# An SQL source: a table, an alias of one, or the rows that a statement has just written.
Source = Any
Columns = Mapping[str, Any]
Writer = Callable[[Any, Sequence[Mapping[str, Any]]], Awaitable[list[Any]]]


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows of another table that belong to a row.

    Attributes:
        table: the other offered table.
        many: whether there may be several.
        on: the condition, of the row's source and the other's.
        names: what else clients may call it: its foreign key, the key's column, a table between the two.
    """

    table: str
    many: bool
    on: Callable[[Source, Source], Any]
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTable:
    """A table, and what of it is offered to whom.

    Attributes:
        columns: the columns of a source as a viewer sees them, by name; None offers all as they are.
        visible: the conditions that hold for what a viewer reads.
        owner: the column with the user's id; rows are written by their owner only.
        writable: columns that an insert may name; None: all.
        changeable: columns that a change may name; empty offers neither change nor delete; None: all.
        insertable: whether rows may be added.
        insert: writes rows in a way of its own, and returns their ids.
    """

    table: Table
    columns: Callable[[Source, str], Columns] | None = None
    visible: Callable[[Source, str, Asked], Sequence[Any]] = lambda _source, _viewer, _asked: ()
    owner: str | None = None
    writable: frozenset[str] | None = None
    changeable: frozenset[str] | None = None
    insertable: bool = True
    insert: Writer | None = None
    operators: frozenset[str] = PLAIN
    relations: tuple[Relation, ...] = ()

    def seen(self, source: Source, viewer: str) -> Columns:
        """Return the columns of a source, as a viewer sees them."""
        return dict(source.c) if self.columns is None else self.columns(source, viewer)

    def relation(self, name: str, hint: str | None) -> Relation:
        """Return the relation that a client means. Raise `RelationNotFound` or `RelationAmbiguous`."""
        named = [found for found in self.relations if name == found.table or (name in found.names and not found.many)]
        fitting = [found for found in named if hint is None or hint in found.names or hint == found.table]
        # Of a table's relations with itself, its own name means what refers to the row.
        several = [found for found in fitting if found.many] if name == self.table.name else []
        fitting = several if len(several) == 1 else fitting
        if not fitting:
            raise RelationNotFound(self.table.name, name)
        if len(fitting) > 1:
            raise RelationAmbiguous(self.table.name, name, sorted({word for found in fitting for word in found.names}))
        return fitting[0]


@dataclass(frozen=True, slots=True)
class OfferedFunction:
    """A function of PostgreSQL, which clients call by its name without the schema.

    Attributes:
        arguments: the names of its arguments.
        rows_of: the offered table whose rows it returns, if any.
        nothing: whether it returns nothing at all.
    """

    name: str
    arguments: frozenset[str] = frozenset()
    rows_of: str | None = None
    nothing: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that is offered.

    Attributes:
        embedded: how many related rows a row may have in an answer.
        circles: whether a table may stand in rows of its own related rows, which multiplies them.
    """

    tables: Mapping[str, OfferedTable]
    functions: Mapping[str, OfferedFunction] = field(default_factory=dict)
    embedded: int = 100
    circles: bool = False


def offer_all(tables: Iterable[Table], functions: Iterable[OfferedFunction] = ()) -> Offer:
    """Return an offer of whole tables to everyone: what a client's own tests are run against."""
    listed = list(tables)
    offered = {
        table.name: OfferedTable(table=table, operators=OPERATORS, relations=tuple(_relations(table, listed)))
        for table in listed
    }
    named = {function.name.rpartition(".")[2]: function for function in functions}
    return Offer(offered, named, embedded=MAX_ROWS, circles=True)


def _relations(table: Table, tables: Sequence[Table]) -> Iterable[Relation]:
    for other in tables:
        for key in other.foreign_key_constraints:
            if key.referred_table is table:
                yield Relation(other.name, not _is_unique(key), _backwards(key), _names(key))
            if other is table:
                yield Relation(key.referred_table.name, many=False, on=_forwards(key), names=_names(key))
        yield from _through(table, other)


def _through(table: Table, between: Table) -> Iterable[Relation]:
    """Yield relations with tables on the other side of one whose primary key is two foreign keys."""
    keys = [key for key in between.foreign_key_constraints if set(key.columns) <= set(between.primary_key.columns)]
    for near in keys:
        for far in keys:
            if far is not near and near.referred_table is table:
                on = _both(between, near, far)
                yield Relation(far.referred_table.name, many=True, on=on, names=frozenset({between.name}))


def _both(between: Table, near: ForeignKeyConstraint, far: ForeignKeyConstraint) -> Callable[[Source, Source], Any]:
    def on(source: Source, other: Source) -> Any:  # noqa: ANN401 - an SQL expression
        link = between.alias()
        both = exists().where(_backwards(near)(source, link), _backwards(far)(other, link)).select_from(link)
        return both.correlate(source, other)

    return on


def _backwards(key: ForeignKeyConstraint) -> Callable[[Source, Source], Any]:
    pairs = [(element.column.name, element.parent.name) for element in key.elements]
    return lambda source, other: and_(*(source.c[ours] == other.c[theirs] for ours, theirs in pairs))


def _forwards(key: ForeignKeyConstraint) -> Callable[[Source, Source], Any]:
    pairs = [(element.parent.name, element.column.name) for element in key.elements]
    return lambda source, other: and_(*(source.c[ours] == other.c[theirs] for ours, theirs in pairs))


def _names(key: ForeignKeyConstraint) -> frozenset[str]:
    return frozenset({str(key.name), *(column.name for column in key.columns)})


def _is_unique(key: ForeignKeyConstraint) -> bool:
    table, columns = key.parent, set(key.columns)
    unique = [set(found.columns) for found in table.constraints if isinstance(found, UniqueConstraint)]
    return columns == {found for found in table.columns if found.primary_key} or columns in unique
