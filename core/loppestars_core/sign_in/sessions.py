"""Sessions: a sign-in on one device, from its start to its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import RoleGrant, Session, User
from loppestars_core.accounts.role import Role
from loppestars_core.accounts.users import Account
from loppestars_core.kit.clock import now_utc
from loppestars_core.sign_in.refresh_tokens import RefreshToken, Use, use_of

MAX_USER_AGENT: Final = 200
# A counter is a 32-bit number in PostgreSQL; no phone refreshes that often.
MAX_COUNTER: Final = 2**31 - 2


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of a refresh. `use` is None where the session does not exist, or not any more."""

    use: Use | None
    session: Session | None = None


async def start_session(
    session: AsyncSession, user_id: str, *, provider: str | None, user_agent: str | None, session_id: UUID | None = None
) -> Session:
    """Write the session of a new sign-in."""
    started = Session(
        user_id=user_id,
        provider=provider,
        user_agent=(user_agent or "")[:MAX_USER_AGENT] or None,
        counter=0,
        **({} if session_id is None else {"id": session_id}),
    )
    session.add(started)
    await session.flush()
    return started


async def refresh_session(session: AsyncSession, token: RefreshToken) -> Refreshed:
    """Move the session of a token on, or not, as `use_of` says.

    Simultaneous refreshes of one session take turns by its row: the second one finds its token to be the parent. A
    token that was used before ends the session; what is returned has to be committed for that too.
    """
    found = await session.execute(
        select(Session, User.deleted_at)
        .join(User, User.id == Session.user_id)
        .where(Session.id == token.session_id)
        .with_for_update(of=Session)
    )
    row = found.first()
    if row is None or row.deleted_at is not None or not _runs(row.Session, now_utc()):
        return Refreshed(None)
    held: Session = row.Session
    use = use_of(token.counter, held.counter)
    if use is Use.ACTIVE:
        held.counter = min(token.counter, MAX_COUNTER) + 1
        held.refreshed_at = now_utc()
    elif use is Use.STALE:
        held.ended_at = now_utc()
    await session.flush()
    return Refreshed(use, held)


def _runs(held: Session, now: datetime) -> bool:
    return held.ended_at is None and (held.expires_at is None or held.expires_at > now)


async def account_of(session: AsyncSession, session_id: UUID, user_id: str) -> Account | None:
    """Return the account of a user's session; None where it has ended, or is another user's.

    One statement, as every request with a token of ours asks this.
    """
    roles = (
        select(func.array_agg(RoleGrant.role))
        .where(RoleGrant.user_id == user_id, RoleGrant.revoked_at.is_(None))
        .scalar_subquery()
    )
    found = await session.execute(
        select(Session, User.deleted_at, roles.label("roles"))
        .join(User, User.id == Session.user_id)
        .where(Session.id == session_id, Session.user_id == user_id)
    )
    row = found.first()
    if row is None or not _runs(row.Session, now_utc()):
        return None
    return Account(frozenset(Role(role) for role in row.roles or ()), deleted=row.deleted_at is not None)


async def running_sessions(session: AsyncSession, user_id: str) -> Sequence[Session]:
    """Return the devices on which a user is signed in, the one used last first."""
    found = await session.execute(
        select(Session)
        .where(
            Session.user_id == user_id,
            Session.ended_at.is_(None),
            (Session.expires_at.is_(None)) | (Session.expires_at > func.now()),
        )
        .order_by(Session.refreshed_at.desc(), Session.id)
    )
    return found.scalars().all()


async def end_sessions(
    session: AsyncSession, user_id: str, *, only: UUID | None = None, except_for: UUID | None = None
) -> int:
    """Sign a user out of all devices, of one, or of all others; return how many sessions ended."""
    ending = update(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    if only is not None:
        ending = ending.where(Session.id == only)
    if except_for is not None:
        ending = ending.where(Session.id != except_for)
    ended = await session.execute(ending.values(ended_at=func.now()).returning(Session.id))
    return len(ended.all())
