"""The user behind a token: made on first use, with the roles granted in the database."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.accounts.models import Identity, Role, User
from loppestars_core.accounts.roles import active_roles
from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.engine import sessions


@dataclass(frozen=True, slots=True)
class Account:
    roles: frozenset[Role]
    deleted: bool


class Accounts:
    def __init__(self, engine: AsyncEngine) -> None:
        self._sessions = sessions(engine)

    async def sign_in(self, subject: str, issuer: str) -> Account:
        """The account of a checked token's subject; makes the rows of a new one, whatever becomes of the request."""
        known = (
            select(User.deleted_at, Identity.id)
            .outerjoin(Identity, (Identity.user_id == User.id) & (Identity.issuer == issuer))
            .where(User.id == subject)
        )
        async with self._sessions.begin() as session:
            row = (await session.execute(known)).first()
            if row is None or row.id is None:
                await ensure_user(session, subject, issuer=issuer)
            roles = await active_roles(session, subject)
        return Account(roles, deleted=row is not None and row.deleted_at is not None)
