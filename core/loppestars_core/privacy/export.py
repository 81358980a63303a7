"""A person's rows by the registry of tables, page by page."""

from collections.abc import AsyncIterator
from typing import Any, Final

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.models import User
from loppestars_core.database.access import AccessRole, Actor, act_as
from loppestars_core.database.engine import sessions
from loppestars_core.events.audit import record_audit
from loppestars_core.privacy.people import Tables, rows_of
from loppestars_core.privacy.policies import POLICIES, Export

# Rows that are in memory at the same time.
_PAGE: Final = 500

Row = dict[str, Any]


class UserNotFound(LookupError):
    """There is no user of that id."""


async def check_person(session: AsyncSession, user_id: str, *, actor_id: str | None) -> None:
    """Write to the audit log that a person's data are given out; raise `UserNotFound`."""
    if (await session.execute(select(User.id).where(User.id == user_id))).first() is None:
        raise UserNotFound(f"there is no user {user_id!r}")
    await record_audit(
        session,
        actor_kind="user" if actor_id else "operator",
        actor_id=actor_id,
        action="user.exported",
        subject_type="user",
        subject_id=user_id,
    )


def exported_tables() -> list[str]:
    """Return the tables that a person's copy has."""
    return [name for name, policy in POLICIES.items() if policy.export is Export.ROWS]


async def rows_of_person(engine: AsyncEngine, tables: Tables, name: str, user_id: str) -> AsyncIterator[Row]:
    """Yield the user's rows of a table by its key.

    Each page is a transaction of its own that acts for the user: no connection is held while a client is slow, and
    PostgreSQL's own rules let no other person's private rows through.
    """
    table, theirs = tables[name], rows_of(tables, name, user_id)
    if theirs is None:
        return
    key = tuple_(*table.primary_key.columns)
    page = select(table).where(theirs).order_by(*table.primary_key.columns).limit(_PAGE)
    last: tuple[Any, ...] | None = None
    while True:
        async with sessions(engine).begin() as session:
            await act_as(session, Actor(AccessRole.USER, user_id))
            found = await session.execute(page if last is None else page.where(key > last))
            rows = [dict(row) for row in found.mappings()]
        for row in rows:
            yield row
        if len(rows) < _PAGE:
            return
        last = tuple(rows[-1][column.name] for column in table.primary_key.columns)
