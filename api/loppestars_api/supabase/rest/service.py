"""What the dialect does: a parsed request against the declared resources, within the caller's rights."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from loppestars_api.access.principal import Kind, Principal
from loppestars_api.supabase.errors import DialectError
from loppestars_api.supabase.rest.answers import Page, Row, check_single
from loppestars_api.supabase.rest.parsing import MAX_ROWS, RestQuery, refuse
from loppestars_api.supabase.rest.resources import RESOURCES, Columns, Resource
from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import active_roles, grant_role, revoke_role
from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.access import ANONYMOUS, AccessRole, Actor, act_as
from loppestars_core.database.rows import (
    BadValue,
    RowRefused,
    UnknownOperator,
    change,
    condition,
    count,
    fetch,
    guarded,
    negated,
    ordering,
    remove,
    typed,
)

MAX_INSERTED: Final = 1000
_ADMIN_CALLS: Final = frozenset({"grant_admin_rights", "revoke_admin_rights"})


class RestService:
    """Requests of one caller. `sessions` makes a transaction for each."""

    def __init__(self, sessions: Any, caller: Principal, resources: Mapping[str, Resource] = RESOURCES) -> None:  # noqa: ANN401 - of core's engine
        self._sessions = sessions
        self._caller = caller
        self._resources = resources

    async def read(self, table: str, query: RestQuery, *, count: bool) -> Page:
        """Read a page of rows."""
        resource = self._resource(table)
        return await self._read(resource, table, query, counted=count)

    async def insert(self, table: str, query: RestQuery, body: object) -> list[Row]:
        """Write rows, and return them as `select` asks."""
        resource = self._resource(table)
        if resource.insert is None:
            raise self._denied(table)
        given = body if isinstance(body, list) else [body]
        if len(given) > MAX_INSERTED:
            raise refuse(f"more than {MAX_INSERTED} rows")
        rows = [self._values(table, resource, row, resource.writable, query.columns) for row in given]
        caller = self._caller
        if resource.owner and any(caller.anonymous or row.get(resource.owner) != caller.id for row in rows):
            status = HTTPStatus.UNAUTHORIZED if caller.anonymous else HTTPStatus.FORBIDDEN
            message = f'new row violates row-level security policy for table "{table}"'
            raise DialectError(status, "42501", message)
        async with self._transaction() as session:
            with _refusals():
                ids = await guarded(resource.insert(session, rows))
        return await self._written(resource, table, query, ids)

    async def change(self, table: str, query: RestQuery, body: object, *, one: bool) -> list[Row]:
        """Change the caller's own rows, and return them as `select` asks."""
        resource = self._writable(table, query)
        if not isinstance(body, dict):
            raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "The body must be a JSON object")
        values = self._values(table, resource, body, resource.changeable, ())
        async with self._transaction() as session:
            with _refusals():
                conditions = self._conditions(resource, table, query)
                ids = await guarded(change(session, resource.model, (*conditions, self._own(resource)), values))
            if one:
                check_single(ids)
        return await self._written(resource, table, query, ids)

    async def remove(self, table: str, query: RestQuery, *, one: bool) -> list[Row]:
        """Delete the caller's own rows."""
        resource = self._writable(table, query)
        async with self._transaction() as session:
            conditions = (*self._conditions(resource, table, query), self._own(resource))
            columns = self._selected(resource, table, query)
            rows = await fetch(session, columns, conditions, limit=MAX_ROWS)
            if one:
                check_single(rows)
            await remove(session, resource.model, conditions)
        return rows

    async def call(self, name: str, arguments: Mapping[str, Any]) -> object:
        """Call one of the functions that clients know."""
        caller = self._caller
        if name == "current_user_is_admin":
            return caller.kind is Kind.ADMIN
        if name not in {"user_is_admin", *_ADMIN_CALLS}:
            message = f"Could not find the function public.{name[:60]} in the schema cache"
            raise DialectError(HTTPStatus.NOT_FOUND, "PGRST202", message)
        key = "user_id" if name == "user_is_admin" else "target_user_id"
        user = arguments.get(key)
        if not isinstance(user, str) or not 0 < len(user) <= 128:  # noqa: PLR2004 - as users' ids are
            message = f"Could not find the function public.{name}({', '.join(arguments)[:60]}) in the schema cache"
            raise DialectError(HTTPStatus.NOT_FOUND, "PGRST202", message)
        if caller.anonymous or (name in _ADMIN_CALLS and caller.kind is not Kind.ADMIN):
            raise self._denied(name)
        notes = str(arguments.get("notes") or "")[:1000]
        async with self._transaction() as session:
            if name == "user_is_admin":
                return (caller.kind is Kind.ADMIN or user == caller.id) and Role.ADMIN in await active_roles(
                    session, user
                )
            with _refusals():
                if name == "revoke_admin_rights":
                    return await revoke_role(session, user, Role.ADMIN, revoked_by=caller.id, notes=notes)
                await guarded(ensure_user(session, user))
                await grant_role(session, user, Role.ADMIN, granted_by=caller.id, notes=notes)
        return user

    def _resource(self, table: str) -> Resource:
        found = self._resources.get(table)
        if found is None:
            message = f"Could not find the table 'public.{table[:60]}' in the schema cache"
            raise DialectError(HTTPStatus.NOT_FOUND, "PGRST205", message)
        return found

    def _writable(self, table: str, query: RestQuery) -> Resource:
        resource = self._resource(table)
        if not resource.changeable or self._caller.anonymous:
            raise self._denied(table)
        if not query.filters:
            raise DialectError(HTTPStatus.BAD_REQUEST, "21000", "This requires a WHERE clause")
        return resource

    def _denied(self, what: str) -> DialectError:
        status = HTTPStatus.UNAUTHORIZED if self._caller.anonymous else HTTPStatus.FORBIDDEN
        return DialectError(status, "42501", f"permission denied for {what[:60]}")

    def _own(self, resource: Resource) -> Any:  # noqa: ANN401 - an SQL expression
        return getattr(resource.model, resource.owner or "id") == self._caller.id

    async def _read(self, resource: Resource, table: str, query: RestQuery, *, counted: bool) -> Page:
        columns = self._selected(resource, table, query)
        known = resource.columns(self._caller)
        orders = [
            ordering(_known(known, table, term.column), descending=term.descending, nulls_first=term.nulls_first)
            for term in query.order
        ]
        conditions = self._conditions(resource, table, query)
        async with self._transaction() as session:
            rows = await fetch(session, columns, conditions, orders, limit=query.limit, offset=query.offset)
            total = await count(session, resource.model, conditions) if counted else None
        embedded = [item.alias for item in query.select if item.embedded is not None]
        for row in rows:
            for alias in embedded:
                row[alias] = [{"count": row[alias]}]
        return Page(rows, total)

    async def _written(self, resource: Resource, table: str, query: RestQuery, ids: Sequence[Any]) -> list[Row]:
        if not ids:
            return []
        columns = self._selected(resource, table, query)
        async with self._transaction() as session:
            conditions = (condition(resource.model.id, "in", [str(found) for found in ids]),)
            return await fetch(session, columns, conditions, limit=MAX_ROWS)

    def _selected(self, resource: Resource, table: str, query: RestQuery) -> Columns:
        known = resource.columns(self._caller)
        selected: dict[str, Any] = {}
        for item in query.select:
            if item.embedded is not None:
                if item.name not in resource.embedded or item.embedded != "count":
                    message = f"Could not find a relationship between '{table}' and '{item.name}' in the schema cache"
                    raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST200", message)
                selected[item.alias] = resource.embedded[item.name]
            elif item.name == "*":
                selected |= known
            else:
                selected[item.alias] = _known(known, table, item.name)
        return selected

    def _conditions(self, resource: Resource, table: str, query: RestQuery) -> tuple[Any, ...]:
        known = resource.columns(self._caller)
        conditions = []
        for found in query.filters:
            column = _known(known, table, found.column)
            with _refusals():
                compared = condition(column, found.operator, found.value)
            conditions.append(negated(compared) if found.negated else compared)
        return (*resource.visible(self._caller, query), *conditions)

    def _values(
        self, table: str, resource: Resource, row: object, allowed: frozenset[str], columns: Sequence[str]
    ) -> dict[str, Any]:
        if not isinstance(row, dict):
            raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST102", "All rows must be JSON objects")
        given = {name: row[name] for name in columns if name in row} if columns else row
        known = resource.columns(self._caller)
        for name in (*columns, *given):
            if name not in known:
                message = f"Could not find the '{str(name)[:60]}' column of '{table}' in the schema cache"
                raise DialectError(HTTPStatus.BAD_REQUEST, "PGRST204", message)
            if name not in allowed:
                raise self._denied(f"column {name}")
        with _refusals():
            return {name: typed(known[name], value) for name, value in given.items()}

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._sessions, self._caller)


class _Transaction:
    """A transaction that PostgreSQL holds to what the caller may see and write."""

    def __init__(self, sessions: Any, caller: Principal) -> None:  # noqa: ANN401 - of core's engine
        self._context = sessions.begin()
        roles = {Kind.ADMIN: AccessRole.ADMIN, Kind.USER: AccessRole.USER}
        self._actor = ANONYMOUS if caller.anonymous else Actor(roles[caller.kind], caller.id)

    async def __aenter__(self) -> Any:  # noqa: ANN401 - a session
        session = await self._context.__aenter__()
        await act_as(session, self._actor)
        return session

    async def __aexit__(self, *failure: object) -> Any:  # noqa: ANN401 - of the session
        return await self._context.__aexit__(*failure)


class _refusals:  # noqa: N801 - read as a word of the `with` statement
    """Turns what core refuses into the errors that clients read."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise the error of the dialect."""
        if isinstance(error, BadValue):
            raise DialectError(HTTPStatus.BAD_REQUEST, "22P02", str(error)) from None
        if isinstance(error, UnknownOperator):
            raise refuse(f'"failed to parse filter ({error})"') from None
        if isinstance(error, RowRefused):
            conflict = error.code in {"23505", "23503"}
            denied = error.code == "42501"
            status = HTTPStatus.CONFLICT if conflict else HTTPStatus.FORBIDDEN if denied else HTTPStatus.BAD_REQUEST
            raise DialectError(status, error.code, str(error)) from None


def _known(known: Columns, table: str, name: str) -> Any:  # noqa: ANN401 - an SQL expression
    if name not in known:
        raise DialectError(HTTPStatus.BAD_REQUEST, "42703", f"column {table}.{name[:60]} does not exist")
    return known[name]
