"""Questions as SQL: one statement that returns the whole answer as JSON, made by PostgreSQL."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Select, Text, and_, bindparam, cast, exists, func, literal_column, not_, or_, select

from loppestars_core.database.rows.asked import (
    MAX_ROWS,
    Asked,
    Chosen,
    Condition,
    Count,
    Embedded,
    Group,
    Item,
    Order,
    Path,
    Test,
)
from loppestars_core.database.rows.expressions import as_type, compared, reached, tested
from loppestars_core.database.rows.offered import Offer, OfferedTable, Source
from loppestars_core.database.rows.refusals import ColumnNotFound, NotOffered

_NOTHING: Final[Any] = literal_column("'[]'::json")


class Translator:
    """Translates questions to SQL over what is offered to one kind of viewer."""

    def __init__(self, offer: Offer, viewer: str) -> None:
        self.offer = offer
        self._viewer = viewer

    def read(self, offered: OfferedTable, asked: Asked, *, counted: bool, form: str = "json") -> Select[Any]:
        """Return the statement that answers with `body`, `rows` and `total`."""
        self.check(offered, asked, (offered.table.name,))
        source = offered.table.alias()
        visible = tuple(offered.visible(source, self._viewer, asked))
        total = None
        if counted:
            inner = [self._has(offered, source, item) for item in asked.select if _is_inner(item)]
            conditions = [*visible, *self.conditions(offered, source, asked), *inner]
            total = select(func.count()).select_from(source).where(*conditions).scalar_subquery()
        return answer(self.rows(offered, source, asked, visible), form, total)

    def check(self, offered: OfferedTable, asked: Asked, path: tuple[str, ...]) -> None:
        """Refuse related rows in circles. Raise `NotOffered`."""
        for item in asked.select:
            if isinstance(item, Embedded) and not self.offer.circles:
                other = self.offer.tables[offered.relation(item.table, item.hint).table]
                if other.table.name in path:
                    raise NotOffered(f"{item.table} in {' in '.join(path)}")
                self.check(other, item.asked, (other.table.name, *path))

    def rows(
        self,
        offered: OfferedTable,
        source: Source,
        asked: Asked,
        visible: Sequence[Any] = (),
        most: int = MAX_ROWS,
    ) -> Select[Any]:
        """Return the SELECT of the rows of a source that are asked for, `most` at most."""
        inner = [self._has(offered, source, item) for item in asked.select if _is_inner(item)]
        columns = [column for item in asked.select for column in self._columns(offered, source, item)]
        limit = most if asked.limit is None else func.least(_number(asked.limit), most)
        statement = (
            select(*columns).select_from(source).where(*visible, *self.conditions(offered, source, asked), *inner)
        )
        statement = statement.order_by(*(self._term(offered, source, asked, term) for term in asked.order))
        if any(isinstance(item, Count) for item in asked.select):
            return statement
        return statement.limit(limit).offset(None if asked.offset is None else _number(asked.offset))

    def names(self, offered: OfferedTable, asked: Asked) -> list[str]:
        """Return the names of the columns of an answer."""
        return [column.name for column in self.rows(offered, offered.table.alias(), asked).selected_columns]

    def conditions(self, offered: OfferedTable, source: Source, asked: Asked) -> list[Any]:
        """Return the conditions of a question."""
        return [self._condition(offered, source, asked, found) for found in asked.conditions]

    def column(self, offered: OfferedTable, source: Source, path: Path) -> Any:  # noqa: ANN401 - an SQL expression
        """Return a column of a source. Raise `ColumnNotFound`."""
        found = offered.seen(source, self._viewer).get(path.column)
        if found is None:
            raise ColumnNotFound(offered.table.name, path.column)
        return reached(found, path)

    def _columns(self, offered: OfferedTable, source: Source, item: Item) -> list[Any]:
        if isinstance(item, Count):
            return [func.count().label(item.alias)]
        if isinstance(item, Embedded):
            return self._embedded(offered, source, item)
        if item.path.column == "*":
            return [found.label(name) for name, found in offered.seen(source, self._viewer).items()]
        found = self.column(offered, source, item.path)
        return [(as_type(found, item.cast) if item.cast else found).label(item.alias)]

    def _embedded(self, offered: OfferedTable, source: Source, item: Embedded) -> list[Any]:
        relation = offered.relation(item.table, item.hint)
        rows = self._related(offered, source, item).correlate(source)
        if item.spread:
            if relation.many:
                raise NotOffered(f"'{offered.table.name}' and '{item.table}' do not form a many-to-one relationship")
            single = rows.limit(1).subquery()
            return [select(column).select_from(single).scalar_subquery().label(column.name) for column in single.c]
        if not item.asked.select:
            return []
        if not relation.many:
            single = rows.limit(1).subquery()
            return [select(func.row_to_json(single.table_valued())).scalar_subquery().label(item.alias)]
        several = rows.subquery()
        listed = func.coalesce(func.json_agg(several.table_valued()), _NOTHING)
        return [select(listed).select_from(several).scalar_subquery().label(item.alias)]

    def _related(self, offered: OfferedTable, source: Source, item: Embedded) -> Select[Any]:
        relation = offered.relation(item.table, item.hint)
        other = self.offer.tables[relation.table]
        target = other.table.alias()
        visible = (relation.on(source, target), *other.visible(target, self._viewer, item.asked))
        return self.rows(other, target, item.asked, visible, self.offer.embedded)

    def _has(self, offered: OfferedTable, source: Source, item: Any) -> Any:  # noqa: ANN401 - an SQL expression
        rows: Select[Any] = self._related(offered, source, item).with_only_columns(literal_column("1")).order_by(None)
        return exists(rows.limit(None).offset(None).correlate(source))

    def _condition(self, offered: OfferedTable, source: Source, asked: Asked, found: Condition) -> Any:  # noqa: ANN401 - an SQL expression
        if isinstance(found, Group):
            members = [self._condition(offered, source, asked, member) for member in found.members]
            group = (and_ if found.word == "and" else or_)(*members)
            return not_(group.self_group()) if found.negated else group
        if isinstance(found, Test):
            for item in asked.select:
                if isinstance(item, Embedded) and found.path.column == item.alias and found.state == "null":
                    has = self._has(offered, source, item)
                    return has if found.negated else not_(has)
            return tested(self.column(offered, source, found.path), found)
        if found.operator not in offered.operators:
            raise NotOffered(found.operator)
        return compared(self.column(offered, source, found.path), found)

    def _term(self, offered: OfferedTable, source: Source, asked: Asked, term: Order) -> Any:  # noqa: ANN401 - an SQL expression
        if term.of is None:
            found = self.column(offered, source, term.path)
        else:
            item = next(
                (found for found in asked.select if isinstance(found, Embedded) and term.of == found.alias), None
            )
            if item is None or offered.relation(item.table, item.hint).many:
                raise NotOffered(f"order by {term.of}")
            only = Asked(select=(Chosen(term.path, term.path.column),))
            related = Embedded(item.table, item.alias, only, item.hint)
            found = self._related(offered, source, related).limit(1).correlate(source).scalar_subquery()
        ordered = found.desc() if term.descending else found.asc()
        if term.nulls_first is None:
            return ordered
        return ordered.nulls_first() if term.nulls_first else ordered.nulls_last()


def answer(rows: Select[Any], form: str, total: Any = None) -> Select[Any]:  # noqa: ANN401 - an SQL expression
    """Return the statement whose only row is the answer: `body`, how many `rows` are in it, and the `total`."""
    source = rows.subquery("answered")
    row = source.table_valued()
    if form == "csv":
        text = cast(row, Text)
        lines = func.string_agg(func.substring(text, 2, func.length(text) - 2), literal_column("E'\\n'"))
        body: Any = func.coalesce(lines, "")
    else:
        document = func.json_strip_nulls(func.row_to_json(row)) if form == "stripped" else row
        body = cast(func.coalesce(func.json_agg(document), _NOTHING), Text)
    total = literal_column("NULL") if total is None else total
    return select(body.label("body"), func.count().label("rows"), total.label("total")).select_from(source)


def _is_inner(item: Item) -> bool:
    return isinstance(item, Embedded) and item.inner


def _number(number: int) -> Any:  # noqa: ANN401 - an SQL expression
    return bindparam(f"v{number}", type_=BigInteger)
