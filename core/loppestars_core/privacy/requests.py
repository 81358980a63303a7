"""A person's request to be forgotten: made, confirmed, taken back, and the warnings until it is carried out.

request_erasure ──(grace)──► erasure.erase_person        cancel_erasure: within the time of grace
legal hold: nothing is erased until it is lifted
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import Identity, Session, User
from loppestars_core.events.audit import record_audit
from loppestars_core.events.domain_events import record_event
from loppestars_core.photos.models import Photo, Takedown, TakedownState, Visibility, Withdrawal
from loppestars_core.privacy.export import UserNotFound
from loppestars_core.privacy.models import Channel, ErasureRequest

WARNING_DAYS: Final = (1, 3, 7)
"""How many days before their erasure a person is warned, the last one first."""
ERASURE_WARNING: Final = "user.erasure_warning"
ERASURE_LINK: Final = "user.erasure_link_requested"
_CODE_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class RequestState:
    """What may be said of a request to whoever knows its code."""

    confirmed: bool
    asked_at: datetime | None
    """When the user asked to be forgotten; None where that was taken back, or is carried out."""
    done: bool


async def request_erasure(
    session: AsyncSession, user_id: str, *, actor_id: str | None, channel: Channel = Channel.OPERATOR
) -> datetime:
    """Mark a user for erasure, end their sessions and withdraw their photos; return when it was asked for first.

    Raises:
        UserNotFound: there is no such user.
    """
    marked = await session.execute(
        update(User)
        .where(User.id == user_id)
        .values(deleted_at=func.coalesce(User.deleted_at, func.now()))
        .returning(User.deleted_at)
    )
    asked_at = marked.scalar_one_or_none()
    if asked_at is None:
        raise UserNotFound(f"there is no user {user_id!r}")
    ended = update(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    await session.execute(ended.values(ended_at=func.now()))
    public = update(Photo).where(Photo.owner_id == user_id, Photo.visibility == Visibility.PUBLIC)
    await session.execute(public.values(visibility=Visibility.WITHDRAWN, withdrawn_for=Withdrawal.ERASURE))
    await record_event(session, "user", user_id, "user.erasure_requested", {"channel": channel})
    await _audit(session, "user.erasure_requested", user_id, actor_id)
    return asked_at


async def cancel_erasure(session: AsyncSession, user_id: str, *, actor_id: str | None) -> bool:
    """Take a request for erasure back; return False where there was none.

    Photos that the request withdrew are shown again, except those that a person pictured asked to take down.
    """
    taken_back = await session.execute(
        update(User)
        .where(User.id == user_id, User.deleted_at.is_not(None))
        .values(deleted_at=None, erasure_warned=None)
        .returning(User.id)
    )
    if taken_back.scalar_one_or_none() is None:
        return False
    theirs = (Photo.owner_id == user_id, Photo.withdrawn_for == Withdrawal.ERASURE)
    standing = exists().where(Takedown.photo_id == Photo.id, Takedown.state != TakedownState.RESTORED)
    still_hidden = update(Photo).where(*theirs, standing).values(withdrawn_for=Withdrawal.TAKEDOWN)
    await session.execute(still_hidden.execution_options(synchronize_session=False))
    shown = update(Photo).where(*theirs).values(visibility=Visibility.PUBLIC, withdrawn_for=None)
    await session.execute(shown.execution_options(synchronize_session=False))
    await record_event(session, "user", user_id, "user.erasure_cancelled")
    await _audit(session, "user.erasure_cancelled", user_id, actor_id)
    return True


async def note_request(session: AsyncSession, user_id: str | None, channel: Channel, *, confirmed: bool) -> str:
    """Write a request down and return its code. One of nobody (`user_id` None) counts as carried out."""
    code = secrets.token_urlsafe(_CODE_BYTES)
    values = {"user_id": user_id, "code": code, "channel": channel, "confirmed_at": func.now() if confirmed else None}
    await session.execute(insert(ErasureRequest).values(values))
    return code


async def request_by_identity(session: AsyncSession, provider: str, subject: str, channel: Channel) -> str:
    """Ask for whoever signs in like this to be forgotten; return the code of the request, also where nobody does."""
    found = await session.execute(
        select(Identity.user_id).where(Identity.provider == provider, Identity.subject == subject).limit(1)
    )
    user_id = found.scalar_one_or_none()
    if user_id is not None:
        await request_erasure(session, user_id, actor_id=user_id, channel=channel)
    return await note_request(session, user_id, channel, confirmed=True)


async def ask_by_email(session: AsyncSession, email: str, *, younger_than: timedelta) -> None:
    """Have a link sent to each account of this address, unless one was sent within `younger_than`.

    Whether there is such an account shows in the mailbox only.
    """
    recent = exists().where(
        ErasureRequest.user_id == User.id,
        ErasureRequest.confirmed_at.is_(None),
        ErasureRequest.requested_at > func.now() - younger_than,
    )
    found = select(User.id).where(func.lower(User.email) == email.strip().lower(), ~recent).limit(10)
    for user_id in (await session.execute(found)).scalars().all():
        await note_request(session, user_id, Channel.WEB, confirmed=False)
        await record_event(session, "user", user_id, ERASURE_LINK)


async def confirm_request(session: AsyncSession, code: str, *, valid_for: timedelta) -> bool:
    """Carry out what the link in a message asks for; return False for an unknown, used or old code."""
    confirmed = await session.execute(
        update(ErasureRequest)
        .where(
            ErasureRequest.code == code,
            ErasureRequest.confirmed_at.is_(None),
            ErasureRequest.requested_at > func.now() - valid_for,
            ErasureRequest.user_id.is_not(None),
        )
        .values(confirmed_at=func.now())
        .returning(ErasureRequest.user_id)
    )
    user_id = confirmed.scalar_one_or_none()
    if user_id is None:
        return False
    await request_erasure(session, user_id, actor_id=user_id, channel=Channel.WEB)
    return True


async def request_state(session: AsyncSession, code: str) -> RequestState | None:
    """Return where a request stands; None for an unknown code."""
    found = await session.execute(
        select(ErasureRequest.user_id, ErasureRequest.confirmed_at, User.deleted_at)
        .outerjoin(User, User.id == ErasureRequest.user_id)
        .where(ErasureRequest.code == code)
    )
    row = found.one_or_none()
    return None if row is None else RequestState(row.confirmed_at is not None, row.deleted_at, row.user_id is None)


async def forget_unconfirmed(session: AsyncSession, *, older_than: timedelta) -> None:
    """Delete requests whose link was never followed."""
    old = (ErasureRequest.confirmed_at.is_(None), ErasureRequest.requested_at < func.now() - older_than)
    await session.execute(delete(ErasureRequest).where(*old))


async def set_legal_hold(session: AsyncSession, user_id: str, *, hold: bool, actor_id: str | None) -> None:
    """Keep a user's data whatever is asked, or let it go again; raise `UserNotFound`."""
    changed = await session.execute(update(User).where(User.id == user_id).values(legal_hold=hold).returning(User.id))
    if changed.scalar_one_or_none() is None:
        raise UserNotFound(f"there is no user {user_id!r}")
    await _audit(session, "user.held" if hold else "user.released", user_id, actor_id)


async def due_for_erasure(session: AsyncSession, now: datetime, grace: timedelta) -> list[str]:
    """Return the users whose time of grace is over and whom no legal hold keeps."""
    due = select(User.id).where(User.deleted_at < now - grace, User.legal_hold.is_(False)).order_by(User.deleted_at)
    return list((await session.execute(due)).scalars())


async def warn_of_erasure(session: AsyncSession, now: datetime, grace: timedelta) -> int:
    """Write an event for each user who has not been warned as often as their remaining days ask for.

    Once per user and threshold, however often it runs; after a pause only the nearest one. Thresholds that are not
    shorter than the time of grace would warn of what was asked for a moment ago, and are left out.
    """
    count = 0
    for days in WARNING_DAYS:
        if timedelta(days=days) >= grace:
            break
        warned = await session.execute(
            update(User)
            .where(
                User.deleted_at + grace <= now + timedelta(days=days),
                User.deleted_at + grace > now,
                or_(User.erasure_warned.is_(None), User.erasure_warned > days),
                User.legal_hold.is_(False),
            )
            .values(erasure_warned=days)
            .returning(User.id, User.deleted_at)
        )
        for row in warned.all():
            due_on = (row.deleted_at + grace).date().isoformat()
            await record_event(session, "user", row.id, ERASURE_WARNING, {"days": days, "due_on": due_on})
            count += 1
    return count


async def _audit(session: AsyncSession, action: str, user_id: str, actor_id: str | None) -> None:
    await record_audit(
        session,
        actor_kind="user" if actor_id else "operator",
        actor_id=actor_id,
        action=action,
        subject_type="user",
        subject_id=user_id,
    )
