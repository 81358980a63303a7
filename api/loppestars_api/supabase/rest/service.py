"""What the dialect does: a parsed request against what is offered, within the caller's rights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson

from loppestars_api.access.principal import Kind, Principal
from loppestars_api.supabase.errors import DialectError, refuse
from loppestars_api.supabase.rest.answers import Form, Wanted, check_single
from loppestars_api.supabase.rest.parsing import Question
from loppestars_api.supabase.rest.preferences import Preferences
from loppestars_api.supabase.rest.reading import Answered, RowReader
from loppestars_api.supabase.rest.refusals import Refusals
from loppestars_api.supabase.rest.values import columns_of
from loppestars_core.database.access import ANONYMOUS, AccessRole, Actor, act_as
from loppestars_core.database.rows.asked import Asked
from loppestars_core.database.rows.calls import invocation
from loppestars_core.database.rows.expressions import parameter
from loppestars_core.database.rows.offered import Offer, OfferedFunction, OfferedTable
from loppestars_core.database.rows.plans import Plans
from loppestars_core.database.rows.refusals import guarded
from loppestars_core.database.rows.statements import Translator
from loppestars_core.database.rows.writing import PAYLOAD, OnConflict, Writing
from loppestars_core.kit.clock import today_in_denmark

MAX_INSERTED: Final = 1000
_VIEWERS: Final = {Kind.ADMIN: "admin", Kind.USER: "user"}
_ROLES: Final = {Kind.ADMIN: AccessRole.ADMIN, Kind.USER: AccessRole.USER}


@dataclass(frozen=True, slots=True)
class Write:
    """A write: what is asked about its rows, what the body holds, and what is wanted of the answer."""

    table: str
    question: Question
    preferences: Preferences
    wanted: Wanted
    body: Any = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function of PostgreSQL, and what is wanted of its answer."""

    function: OfferedFunction
    arguments: Mapping[str, Any]
    write: Write


class RestService:
    """Requests to what is offered. `sessions` makes a transaction for each write."""

    def __init__(self, offer: Offer, reader: RowReader, sessions: Any) -> None:  # noqa: ANN401 - of core's engine
        self._offer = offer
        self._reader = reader
        self._sessions = sessions
        self._plans = Plans()
        self._translators = {viewer: Translator(offer, viewer) for viewer in ("anon", *_VIEWERS.values())}

    @property
    def offer(self) -> Offer:
        return self._offer

    async def read(self, caller: Principal, table: str, question: Question, form: Form, *, counted: bool) -> Answered:
        """Read a page of rows."""
        offered = self.table(table)
        viewer = viewer_of(caller)
        translator = self._translators[viewer]
        with Refusals(caller):
            plan = self._plans.of(
                (table, viewer, form, counted, question.shape),
                lambda: translator.read(offered, question.asked, counted=counted, form=form),
            )
            values = plan.with_values({**self._standing(caller), **question.parameters})
            found = await guarded(self._reader.read(actor_of(caller), plan.sql, values))
        return self._with_heading(found, translator, offered, question, form)

    async def insert(self, caller: Principal, write: Write) -> Answered:
        """Write rows, and return them as `select` asks."""
        offered = self.table(write.table)
        if not offered.insertable:
            raise denied(caller, f"table {write.table}")
        given = write.body if isinstance(write.body, list) else [write.body]
        if len(given) > MAX_INSERTED:
            raise refuse(f"more than {MAX_INSERTED} rows")
        rows = [self._checked(caller, offered, row, offered.writable, write.question.columns) for row in given]
        if offered.owner and any(caller.anonymous or row.get(offered.owner) != caller.id for row in rows):
            message = f'new row violates row-level security policy for table "{write.table}"'
            raise denied(caller, message, whole=True)
        question, writing = write.question, self._writing(caller, offered, write)
        if offered.insert is not None:
            return await self._insert_by_writer(caller, offered, write, rows)
        merge = write.preferences.merge
        conflict = OnConflict(merge, question.conflict) if merge is not None else None
        batches = [[row] for row in rows] if write.preferences.defaults else [rows] if rows else []
        with Refusals(caller):
            statements = []
            for batch in batches:
                columns = question.columns if question.columns and not write.preferences.defaults else columns_of(batch)
                sql = writing.insertion(columns, conflict)
                statements.append((sql, batch))
            return await self._write(caller, write, statements)

    async def change(self, caller: Principal, write: Write) -> Answered:
        """Change rows, the caller's own where they have an owner, and return them as `select` asks."""
        offered = self._writable(caller, write)
        if not isinstance(write.body, dict):
            raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "The body must be a JSON object")
        row = self._checked(caller, offered, write.body, offered.changeable, write.question.columns)
        if not row:
            return Answered(b"[]", 0, None)
        with Refusals(caller):
            sql = self._writing(caller, offered, write).change(tuple(row), *_own(offered))
            return await self._write(caller, write, [(sql, row)])

    async def remove(self, caller: Principal, write: Write) -> Answered:
        """Delete rows, the caller's own where they have an owner, and return them as `select` asks."""
        offered = self._writable(caller, write)
        with Refusals(caller):
            sql = self._writing(caller, offered, write).removal(*_own(offered))
            return await self._write(caller, write, [(sql, None)])

    async def call(self, caller: Principal, call: Call) -> Answered:
        """Call a function of PostgreSQL."""
        translator, asked = self._translators[viewer_of(caller)], call.write.question.asked
        values = {
            f"a_{name}": value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
            for name, value in call.arguments.items()
        }
        with Refusals(caller):
            sql = invocation(translator, call.function, call.arguments, asked, call.write.wanted.form)
            return await self._write(caller, call.write, [(sql, None)], values)

    def table(self, name: str) -> OfferedTable:
        """Return the table of a name. Raise `DialectError`."""
        found = self._offer.tables.get(name)
        if found is None:
            message = f"Could not find the table 'public.{name[:60]}' in the schema cache"
            raise DialectError(HTTPStatus.NOT_FOUND, "PGRST205", message)
        return found

    def _writable(self, caller: Principal, write: Write) -> OfferedTable:
        offered = self.table(write.table)
        if offered.changeable is not None and (not offered.changeable or caller.anonymous):
            raise denied(caller, f"table {write.table}")
        if not write.question.asked.conditions:
            raise DialectError(HTTPStatus.BAD_REQUEST, "21000", "This requires a WHERE clause")
        return offered

    def _checked(
        self,
        caller: Principal,
        offered: OfferedTable,
        row: object,
        allowed: frozenset[str] | None,
        columns: Sequence[str],
    ) -> dict[str, Any]:
        if not isinstance(row, dict):
            raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "All rows must be JSON objects")
        given = {name: row[name] for name in columns if name in row} if columns else row
        known = offered.table.c
        for name in (*columns, *given):
            if name not in known:
                message = f"Could not find the '{str(name)[:60]}' column of '{offered.table.name}' in the schema cache"
                raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST204", message)
            if allowed is not None and name not in allowed:
                raise denied(caller, f"column {name}")
        return given

    async def _insert_by_writer(
        self, caller: Principal, offered: OfferedTable, write: Write, rows: Sequence[Mapping[str, Any]]
    ) -> Answered:
        with Refusals(caller):
            sql = self._writing(caller, offered, write).by_ids()
            async with self._sessions.begin() as session:
                await act_as(session, actor_of(caller))
                ids = await guarded(offered.insert(session, rows))  # type: ignore[misc]
                values = {**self._standing(caller), "ids": "{" + ",".join(str(found) for found in ids) + "}"}
                row = (await session.execute(sql, values)).one()
                await self._settle(session, write, row.rows)
        return Answered(row.body.encode(), row.rows, None)

    async def _write(
        self,
        caller: Principal,
        write: Write,
        statements: Sequence[tuple[Any, Any]],
        more: Mapping[str, Any] | None = None,
    ) -> Answered:
        standing = {**self._standing(caller), **write.question.parameters, **(more or {})}
        total = None
        bodies: list[str] = []
        rows = 0
        async with self._sessions.begin() as session:
            await act_as(session, actor_of(caller))
            for sql, payload in statements:
                values = standing if payload is None else {**standing, PAYLOAD: orjson.dumps(payload).decode()}
                names = {bind.key for bind in sql.compile().binds.values()}
                kept = {name: value for name, value in values.items() if name in names}
                row = (await guarded(session.execute(sql, kept))).one()
                rows += row.rows
                total = row.total
                bodies.append(row.body)
            await self._settle(session, write, rows)
        joined = "\n".join(bodies) if write.wanted.form is Form.CSV else _joined(bodies)
        return Answered(joined.encode(), rows, total if write.preferences.count else None)

    @staticmethod
    async def _settle(session: Any, write: Write, rows: int) -> None:  # noqa: ANN401 - of the database
        """Undo the write where it touched more than it may, or is not to stay."""
        if write.preferences.most is not None and rows > write.preferences.most:
            details = f"The query affects {rows} rows"
            message = "Query result exceeds max-affected preference constraint"
            raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST124", message, details=details)
        if write.wanted.single:
            check_single(rows)
        if write.preferences.rollback:
            await session.rollback()

    def _writing(self, caller: Principal, offered: OfferedTable, write: Write) -> Writing:
        translator = self._translators[viewer_of(caller)]
        return Writing(translator, offered, write.question.asked, write.wanted.form)

    def _standing(self, caller: Principal) -> dict[str, Any]:
        return {"caller": caller.id or "", "today": today_in_denmark()}

    @staticmethod
    def _with_heading(
        found: Answered, translator: Translator, offered: OfferedTable, question: Question, form: Form
    ) -> Answered:
        if form is not Form.CSV:
            return found
        names = translator.names(offered, Asked(select=question.asked.select))
        return found._replace(body=",".join(names).encode() + b"\n" + found.body)


def viewer_of(caller: Principal) -> str:
    """Return the kind of viewer that a caller is."""
    return "anon" if caller.anonymous else _VIEWERS[caller.kind]


def actor_of(caller: Principal) -> Actor:
    """Return for whom PostgreSQL acts when the caller asks."""
    return ANONYMOUS if caller.anonymous else Actor(_ROLES[caller.kind], caller.id)


def denied(caller: Principal, what: str, *, whole: bool = False) -> DialectError:
    """Return the refusal of what the caller may not do."""
    status = HTTPStatus.UNAUTHORIZED if caller.anonymous else HTTPStatus.FORBIDDEN
    return DialectError(status, "42501", what if whole else f"permission denied for {what[:60]}")


def _own(offered: OfferedTable) -> tuple[Any, ...]:
    return (offered.table.c[offered.owner] == parameter("caller"),) if offered.owner else ()


def _joined(bodies: Sequence[str]) -> str:
    if len(bodies) == 1:
        return bodies[0] or ""
    parts = [body.strip()[1:-1] for body in bodies]
    return "[" + ",".join(part for part in parts if part.strip()) + "]"
