"""Requests to take a photo down: it is hidden at once, and a moderator decides whether it comes back.

request ──► open (hidden) ──confirm──► confirmed (its bytes are deleted)
                          ──restore──► restored (shown again; further requests no longer hide it)
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import User
from loppestars_core.events.audit import record_audit
from loppestars_core.events.domain_events import record_event
from loppestars_core.photos.models import (
    Photo,
    PhotoVariant,
    Takedown,
    TakedownState,
    VariantKind,
    Visibility,
    Withdrawal,
)


class TakedownDecided(Exception):
    """The request has been decided before."""


@dataclass(frozen=True, slots=True)
class OpenTakedown:
    """A request with the processed photo that it is about."""

    takedown: Takedown
    bucket: str | None
    key: str | None


async def photo_of_object(session: AsyncSession, bucket: str, key: str) -> uuid.UUID | None:
    """Return the photo that has this object."""
    found = select(PhotoVariant.photo_id).where(PhotoVariant.bucket == bucket, PhotoVariant.key == key)
    return (await session.execute(found)).scalar_one_or_none()


async def request_takedown(
    session: AsyncSession, photo_id: uuid.UUID, *, reason: str | None, contact: str | None
) -> bool:
    """Hide a published photo until it is decided about; False where no such photo is, or was, published.

    A photo that was restored before stays visible: whoever disagrees with the decision cannot overrule it.
    """
    photo = (await session.execute(select(Photo).where(Photo.id == photo_id).with_for_update())).scalar_one_or_none()
    if photo is None or photo.visibility == Visibility.PRIVATE:
        return False
    mine = select(Takedown.state).where(Takedown.photo_id == photo_id)
    known = set((await session.execute(mine)).scalars())
    if known & {TakedownState.OPEN, TakedownState.CONFIRMED}:
        return True
    await session.execute(insert(Takedown).values(id=uuid.uuid4(), photo_id=photo_id, reason=reason, contact=contact))
    if photo.visibility == Visibility.PUBLIC and TakedownState.RESTORED not in known:
        hidden = update(Photo).where(Photo.id == photo_id)
        await session.execute(hidden.values(visibility=Visibility.WITHDRAWN, withdrawn_for=Withdrawal.TAKEDOWN))
        await record_event(session, "photo", photo_id, "photo.withdrawn", {"reason": Withdrawal.TAKEDOWN})
    await record_audit(
        session,
        actor_kind="anonymous",
        actor_id=None,
        action="photo.takedown_requested",
        subject_type="photo",
        subject_id=photo_id,
    )
    return True


async def open_takedowns(session: AsyncSession, *, limit: int, offset: int) -> Sequence[OpenTakedown]:
    """Return the requests that wait for a decision, the oldest first."""
    found = await session.execute(
        select(Takedown, PhotoVariant.bucket, PhotoVariant.key)
        .outerjoin(
            PhotoVariant,
            (PhotoVariant.photo_id == Takedown.photo_id) & (PhotoVariant.kind == VariantKind.PROCESSED),
        )
        .where(Takedown.state == TakedownState.OPEN)
        .order_by(Takedown.created_at, Takedown.id)
        .limit(limit)
        .offset(offset)
    )
    return [OpenTakedown(*row) for row in found.all()]


async def decide_takedown(
    session: AsyncSession, takedown_id: uuid.UUID, *, confirm: bool, moderator: str, note: str | None
) -> list[tuple[str, str]] | None:
    """Confirm a request, or restore the photo; return the objects to delete, None where there is no such request.

    The photo of an owner who asked to be forgotten stays hidden for that reason.

    Raises:
        TakedownDecided: by another moderator, or before.
    """
    found = select(Takedown).where(Takedown.id == takedown_id).with_for_update()
    takedown = (await session.execute(found)).scalar_one_or_none()
    if takedown is None:
        return None
    if takedown.state != TakedownState.OPEN:
        raise TakedownDecided
    state = TakedownState.CONFIRMED if confirm else TakedownState.RESTORED
    await session.execute(
        update(Takedown)
        .where(Takedown.id == takedown_id)
        .values(state=state, decided_at=func.now(), decided_by=moderator, note=note, contact=None)
    )
    await record_audit(
        session,
        actor_kind="admin",
        actor_id=moderator,
        action=f"photo.takedown_{state}",
        subject_type="photo",
        subject_id=takedown.photo_id,
        after={"note": note} if note else None,
    )
    if confirm:
        return await _forget_objects(session, takedown.photo_id)
    await _show_again(session, takedown.photo_id)
    return []


async def _forget_objects(session: AsyncSession, photo_id: uuid.UUID) -> list[tuple[str, str]]:
    hidden = update(Photo).where(Photo.id == photo_id)
    await session.execute(hidden.values(visibility=Visibility.WITHDRAWN, withdrawn_for=Withdrawal.TAKEDOWN))
    variants = select(PhotoVariant.bucket, PhotoVariant.key).where(PhotoVariant.photo_id == photo_id)
    return [(row.bucket, row.key) for row in (await session.execute(variants)).all()]


async def _show_again(session: AsyncSession, photo_id: uuid.UUID) -> None:
    theirs = (Photo.id == photo_id, Photo.withdrawn_for == Withdrawal.TAKEDOWN)
    leaving = exists().where(User.id == Photo.owner_id, User.deleted_at.is_not(None))
    kept = update(Photo).where(*theirs, leaving).values(withdrawn_for=Withdrawal.ERASURE)
    await session.execute(kept.execution_options(synchronize_session=False))
    shown = update(Photo).where(*theirs).values(visibility=Visibility.PUBLIC, withdrawn_for=None)
    await session.execute(shown.execution_options(synchronize_session=False))
    await record_event(session, "photo", photo_id, "photo.restored")
