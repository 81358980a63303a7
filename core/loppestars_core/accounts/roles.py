"""The roles that users hold: granted and revoked with an audit entry."""

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import RoleGrant
from loppestars_core.accounts.role import Role
from loppestars_core.events.audit import record_audit


async def active_roles(session: AsyncSession, user_id: str) -> frozenset[Role]:
    """Return the roles that the user holds now."""
    found = await session.execute(
        select(RoleGrant.role).where(RoleGrant.user_id == user_id, RoleGrant.revoked_at.is_(None))
    )
    return frozenset(Role(role) for role in found.scalars())


async def grant_role(session: AsyncSession, user_id: str, role: Role, *, granted_by: str | None, notes: str) -> bool:
    """Grant a role and write the audit entry; False when the user holds it already."""
    granted = await session.execute(
        insert(RoleGrant)
        .values(user_id=user_id, role=role, granted_by=granted_by, notes=notes)
        .on_conflict_do_nothing(
            index_elements=[RoleGrant.user_id, RoleGrant.role], index_where=RoleGrant.revoked_at.is_(None)
        )
        .returning(RoleGrant.id)
    )
    if granted.scalar_one_or_none() is None:
        return False
    await record_audit(
        session,
        actor_kind="user" if granted_by else "operator",
        actor_id=granted_by,
        action="role.granted",
        subject_type="user",
        subject_id=user_id,
        after={"role": role, "notes": notes},
    )
    return True


async def revoke_role(session: AsyncSession, user_id: str, role: Role, *, revoked_by: str | None, notes: str) -> bool:
    """End a role and write the audit entry; False when the user does not hold it. The grant stays as history."""
    revoked = await session.execute(
        update(RoleGrant)
        .where(RoleGrant.user_id == user_id, RoleGrant.role == role, RoleGrant.revoked_at.is_(None))
        .values(revoked_at=func.now(), revoked_by=revoked_by)
        .returning(RoleGrant.id)
    )
    if revoked.scalar_one_or_none() is None:
        return False
    await record_audit(
        session,
        actor_kind="user" if revoked_by else "operator",
        actor_id=revoked_by,
        action="role.revoked",
        subject_type="user",
        subject_id=user_id,
        before={"role": role},
        after={"notes": notes},
    )
    return True


async def list_grants(session: AsyncSession) -> list[RoleGrant]:
    """Return the roles that are held now, by user."""
    found = await session.execute(
        select(RoleGrant).where(RoleGrant.revoked_at.is_(None)).order_by(RoleGrant.user_id, RoleGrant.role)
    )
    return list(found.scalars())
