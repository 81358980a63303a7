"""Forget a person: at once nothing of them is shown, after a time of grace nothing of them is left but the audit log.

request_erasure ──(grace)──► erase_person        cancel_erasure: within the time of grace
legal hold: erase_person refuses until it is lifted
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.models import Session, User
from loppestars_core.database.engine import sessions
from loppestars_core.events.audit import record_audit
from loppestars_core.photos.models import Photo, PhotoVariant, Visibility
from loppestars_core.privacy.export import UserNotFound
from loppestars_core.privacy.people import Tables, rows_of
from loppestars_core.privacy.policies import POLICIES, Erasure
from loppestars_core.storage import Storage


class OnLegalHold(RuntimeError):
    """The user's data must be kept for now."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What went: objects of photos, and rows by table."""

    objects: int
    rows: dict[str, int]


async def request_erasure(session: AsyncSession, user_id: str, *, actor_id: str | None) -> datetime:
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
    await session.execute(public.values(visibility=Visibility.WITHDRAWN))
    await _audit(session, "user.erasure_requested", user_id, actor_id)
    return asked_at


async def cancel_erasure(session: AsyncSession, user_id: str, *, actor_id: str | None) -> bool:
    """Take a request for erasure back and show the user's photos again; return False where there was none."""
    taken_back = await session.execute(
        update(User).where(User.id == user_id, User.deleted_at.is_not(None)).values(deleted_at=None).returning(User.id)
    )
    if taken_back.scalar_one_or_none() is None:
        return False
    withdrawn = update(Photo).where(Photo.owner_id == user_id, Photo.visibility == Visibility.WITHDRAWN)
    await session.execute(withdrawn.values(visibility=Visibility.PUBLIC))
    await _audit(session, "user.erasure_cancelled", user_id, actor_id)
    return True


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


async def erase_person(  # noqa: PLR0913 - where everything of a person may be
    engine: AsyncEngine,
    tables: Tables,
    storage: Storage,
    buckets: tuple[str, ...],
    user_id: str,
    *,
    actor_id: str | None,
) -> Erased:
    """Delete everything of a user but the audit log, files first. Safe to repeat and to kill.

    Raises:
        UserNotFound: there is no such user, any more.
        OnLegalHold: nothing was deleted.
        StorageUnavailable: some files may be left, and all rows are.
    """
    async with sessions(engine)() as session:
        held = (await session.execute(select(User.legal_hold).where(User.id == user_id))).scalar_one_or_none()
        if held is None:
            raise UserNotFound(f"there is no user {user_id!r}")
        if held:
            raise OnLegalHold(f"{user_id!r} is on legal hold")
        found = select(PhotoVariant.bucket, PhotoVariant.key).join(Photo).where(Photo.owner_id == user_id)
        variants = (await session.execute(found)).all()
    for variant in variants:
        await storage.delete(variant.bucket, variant.key)
    objects = len(variants) + await _empty_folders(storage, buckets, user_id)
    async with sessions(engine).begin() as session:
        rows = await _erase_rows(session, tables, user_id)
        await _audit(session, "user.erased", user_id, actor_id)
    # What was uploaded meanwhile: from now on there is no user to upload for.
    return Erased(objects + await _empty_folders(storage, buckets, user_id), rows)


async def _empty_folders(storage: Storage, buckets: tuple[str, ...], user_id: str) -> int:
    """Delete the objects of the user's own folder in each bucket."""
    count = 0
    for bucket in buckets:
        async for info in storage.list(bucket, f"{user_id}/"):
            await storage.delete(bucket, info.key)
            count += 1
    return count


async def _erase_rows(session: AsyncSession, tables: Tables, user_id: str) -> dict[str, int]:
    """Delete or detach the user's rows, those that refer to others first; the user's own row goes last."""
    locked = select(User.legal_hold).where(User.id == user_id).with_for_update()
    if (await session.execute(locked)).scalar_one_or_none():
        raise OnLegalHold(f"{user_id!r} is on legal hold")
    counts: dict[str, int] = {}
    order = [table.name for table in reversed(next(iter(tables.values())).metadata.sorted_tables)]
    for name in order:
        policy, theirs = POLICIES[name], rows_of(tables, name, user_id)
        if theirs is None or policy.erasure not in {Erasure.DELETE, Erasure.DETACH}:
            continue
        change = (
            delete(tables[name]).where(theirs)
            if policy.erasure is Erasure.DELETE
            else update(tables[name]).where(theirs).values({policy.owner: None})
        )
        result = await session.execute(change.returning(*tables[name].primary_key.columns))
        if rows := len(result.all()):
            counts[name] = rows
    return counts


async def _audit(session: AsyncSession, action: str, user_id: str, actor_id: str | None) -> None:
    await record_audit(
        session,
        actor_kind="user" if actor_id else "operator",
        actor_id=actor_id,
        action=action,
        subject_type="user",
        subject_id=user_id,
    )
