"""For whom a transaction acts. PostgreSQL's row-level rules hold it to that, also for the owner of the tables."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class AccessRole(StrEnum):
    """What a transaction may do with personal rows."""

    ANON = "anon"
    """Read what is public."""
    USER = "user"
    """That, and everything of the user themselves."""
    ADMIN = "admin"
    """That, and what admins look after: users, roles, photos."""
    SYSTEM = "system"
    """Everything: the programs' own work, and what they do for nobody in particular."""


@dataclass(frozen=True, slots=True)
class Actor:
    """For whom a transaction acts; `user_id` is None for anonymous callers and for the system."""

    role: AccessRole
    user_id: str | None = None


ANONYMOUS: Final = Actor(AccessRole.ANON)
SYSTEM: Final = Actor(AccessRole.SYSTEM)


async def act_as(session: AsyncSession, actor: Actor) -> None:
    """Hold the current transaction of `session` to what `actor` may see and write; it ends with the transaction."""
    await session.execute(
        text("SELECT set_config('loppestars.role', :role, true), set_config('loppestars.user_id', :user, true)"),
        {"role": actor.role, "user": actor.user_id or ""},
    )
