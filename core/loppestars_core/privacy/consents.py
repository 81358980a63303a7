"""What a person consented to, in which version, and when."""

from collections.abc import Sequence

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.privacy.models import Consent, ConsentKind


async def record_consent(session: AsyncSession, user_id: str, kind: ConsentKind, version: str, *, given: bool) -> None:
    """Write down that the user consents to this version, or does so no more."""
    await session.execute(insert(Consent).values(user_id=user_id, kind=kind, version=version, given=given))


async def current_consents(session: AsyncSession, user_id: str) -> Sequence[Consent]:
    """Return the newest word of the user on each kind."""
    newest = select(func.max(Consent.id)).where(Consent.user_id == user_id).group_by(Consent.kind)
    found = select(Consent).where(Consent.id.in_(newest)).order_by(Consent.kind)
    return (await session.execute(found)).scalars().all()
