"""User rows and their identities."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import Identity, User


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
