"""User rows and their identities."""

from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import Identity, User
from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import active_roles


@dataclass(frozen=True, slots=True)
class Account:
    """A user as their token finds them."""

    roles: frozenset[Role]
    deleted: bool


class SubjectOfAnotherIssuer(Exception):
    """The user signed in by another issuer before, and issuers are kept apart."""


async def sign_in(session: AsyncSession, subject: str, issuer: str, *, tied: bool = False) -> Account:
    """Return the account of a checked token's subject; make the rows of a new one.

    With `tied` the subject of one issuer is not the subject of another: raise `SubjectOfAnotherIssuer`.
    """
    known = (
        select(User.deleted_at, Identity.id)
        .outerjoin(Identity, (Identity.user_id == User.id) & (Identity.issuer == issuer))
        .where(User.id == subject)
    )
    row = (await session.execute(known)).first()
    if row is None or row.id is None:
        has_another = select(exists().where(Identity.user_id == subject))
        if tied and row is not None and await session.scalar(has_another):
            raise SubjectOfAnotherIssuer
        await ensure_user(session, subject, issuer=issuer)
    roles = await active_roles(session, subject)
    return Account(roles, deleted=row is not None and row.deleted_at is not None)


async def ensure_user(session: AsyncSession, user_id: str, *, issuer: str | None = None) -> None:
    """Make the user's row, and with `issuer` the identity, unless they exist.

    The token-less form of `/process` knows an id only: such a user has no identity until they sign in.
    """
    await session.execute(insert(User).values(id=user_id).on_conflict_do_nothing())
    if issuer is not None:
        await session.execute(
            insert(Identity)
            .values(user_id=user_id, issuer=issuer, subject=user_id)
            .on_conflict_do_nothing(index_elements=[Identity.issuer, Identity.subject])
        )


async def is_leaving(session: AsyncSession, user_id: str) -> bool:
    """Return whether the user asked to be forgotten."""
    asked = select(User.id).where(User.id == user_id, User.deleted_at.is_not(None))
    return (await session.execute(asked)).first() is not None


async def add_identity(session: AsyncSession, user_id: str, *, issuer: str, subject: str, provider: str) -> None:
    """Let a user sign in as somebody whom a provider knows, unless a user already does."""
    await session.execute(
        insert(Identity)
        .values(user_id=user_id, issuer=issuer, subject=subject, provider=provider)
        .on_conflict_do_nothing(index_elements=[Identity.issuer, Identity.subject])
    )
