"""Writes as SQL: one statement that writes rows and returns them as they are asked for, which PostgreSQL converts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Select, column, delete, func, literal_column, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert

from loppestars_core.database.rows.asked import Asked
from loppestars_core.database.rows.expressions import parameter
from loppestars_core.database.rows.offered import OfferedTable
from loppestars_core.database.rows.refusals import ColumnNotFound
from loppestars_core.database.rows.statements import Translator, answer

PAYLOAD: Final = "payload"
_PREPARER: Final = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What becomes of a row that is there already: it is merged into, or kept. No columns: those of the key."""

    merge: bool
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Writing:
    """Writes of a table, and what is asked about the rows that they return."""

    translator: Translator
    offered: OfferedTable
    asked: Asked
    form: str

    def insertion(self, columns: Sequence[str], conflict: OnConflict | None) -> Select[Any]:
        """Return the statement that inserts the rows of the JSON array `payload`."""
        table = self.offered.table
        statement: Any = insert(table)
        if columns:
            given = self._payload("json_populate_recordset", columns)
            rows = select(*(given.c[name] for name in columns))
            statement = statement.from_select(list(columns), rows, include_defaults=False)
        if conflict is not None:
            keys = conflict.columns or tuple(key.name for key in table.primary_key.columns)
            for name in keys:
                if name not in table.c:
                    raise ColumnNotFound(table.name, name)
            if conflict.merge:
                changed = {name: statement.excluded[name] for name in columns or keys}
                statement = statement.on_conflict_do_update(index_elements=list(keys), set_=changed)
            else:
                statement = statement.on_conflict_do_nothing(index_elements=list(keys))
        return self._returned(statement)

    def change(self, columns: Sequence[str], *own: Any) -> Select[Any]:  # noqa: ANN401 - conditions
        """Return the statement that changes rows to the values of the JSON object `payload`."""
        given = self._payload("json_populate_record", columns)
        values = {name: select(given.c[name]).scalar_subquery() for name in columns}
        return self._returned(update(self.offered.table).where(*self._conditions, *own).values(values))

    def removal(self, *own: Any) -> Select[Any]:  # noqa: ANN401 - conditions
        """Return the statement that deletes rows."""
        return self._returned(delete(self.offered.table).where(*self._conditions, *own))

    def by_ids(self) -> Select[Any]:
        """Return the statement that reads rows by the array `ids`, in its order."""
        self.translator.check(self.offered, self.asked, (self.offered.table.name,))
        source, ids = self.offered.table.alias(), parameter("ids")
        asked = replace(self.asked, conditions=(), limit=None, offset=None)
        rows = self.translator.rows(self.offered, source, asked, (source.c.id == func.any(ids),))
        place = func.array_position(ids.op("::")(literal_column("uuid[]")), source.c.id)
        return answer(rows.order_by(place), self.form)

    @property
    def _conditions(self) -> list[Any]:
        return self.translator.conditions(self.offered, self.offered.table, self.asked)

    def _payload(self, function: str, columns: Sequence[str]) -> Any:  # noqa: ANN401 - an SQL source
        record: Any = literal_column(f"NULL::{_PREPARER.format_table(self.offered.table)}")
        called = getattr(func, function)(record, parameter(PAYLOAD))
        return called.table_valued(*(column(name) for name in columns), name="given")

    def _returned(self, statement: Any) -> Select[Any]:  # noqa: ANN401 - an INSERT, UPDATE or DELETE
        self.translator.check(self.offered, self.asked, (self.offered.table.name,))
        rows = statement.returning(*self.offered.table.c).cte("written")
        shown = Asked(select=self.asked.select, order=self.asked.order)
        return answer(self.translator.rows(self.offered, rows, shown), self.form)
