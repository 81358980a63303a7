"""A person's copy of their data, from the registry of tables."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.audit import record_audit
from loppestars_core.privacy.people import Tables, rows_of
from loppestars_core.privacy.policies import POLICIES, Export


class UserNotFound(LookupError):
    """There is no user of that id."""


async def export_person(
    session: AsyncSession, tables: Tables, user_id: str, *, actor_id: str | None
) -> dict[str, list[dict[str, Any]]]:
    """Return every row of the user by table, and write to the audit log that they were given out.

    Raises:
        UserNotFound: there is no such user.
    """
    exported = {}
    for name, policy in POLICIES.items():
        theirs = rows_of(tables, name, user_id)
        if policy.export is not Export.ROWS or theirs is None:
            continue
        table = tables[name]
        found = await session.execute(select(table).where(theirs).order_by(*table.primary_key.columns))
        exported[name] = [dict(row) for row in found.mappings()]
    if not exported["users"]:
        raise UserNotFound(f"there is no user {user_id!r}")
    await record_audit(
        session,
        actor_kind="user" if actor_id else "operator",
        actor_id=actor_id,
        action="user.exported",
        subject_type="user",
        subject_id=user_id,
        after={"rows": {name: len(rows) for name, rows in exported.items() if rows}},
    )
    return exported
