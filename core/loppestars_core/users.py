"""User rows and roles."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.database.models import Identity, Role, RoleGrant, User


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


async def active_roles(session: AsyncSession, user_id: str) -> frozenset[Role]:
    """The roles that the user holds now."""
    found = await session.execute(
        select(RoleGrant.role).where(RoleGrant.user_id == user_id, RoleGrant.revoked_at.is_(None))
    )
    return frozenset(Role(role) for role in found.scalars())
