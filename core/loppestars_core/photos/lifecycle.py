"""The photo state machine, each step one transaction of the caller."""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.models import User
from loppestars_core.events.domain_events import record_event
from loppestars_core.kit.logging import current_request_id
from loppestars_core.photos.failures import FAILURES, FailureCode
from loppestars_core.photos.models import (
    Photo,
    PhotoState,
    PhotoSubject,
    PhotoVariant,
    VariantKind,
    Visibility,
    Withdrawal,
)
from loppestars_core.photos.options import PhotoOptions
from loppestars_core.queue.photo_jobs import enqueue_photo

MAX_ATTEMPTS: Final = 3
FINISHED_CHANNEL: Final = "photo_finished"


@dataclass(frozen=True, slots=True)
class PhotoRequest:
    """What is asked for: the original's key and its owner (None for a ephemeral photo of an anonymous caller)."""

    original_key: str
    owner_id: str | None
    options: PhotoOptions
    subject: PhotoSubject = PhotoSubject.RATING
    photo_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to finish a photo."""

    photo_id: uuid.UUID
    token: uuid.UUID
    attempt: int
    original_key: str
    subject: PhotoSubject
    options: PhotoOptions
    request_id: str | None
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class NewVariant:
    """A written object that a finished photo consists of. `format` is a media type; sizes in pixels and bytes."""

    bucket: str
    key: str
    format: str
    width: int
    height: int
    bytes: int
    kind: VariantKind = VariantKind.PROCESSED


async def request_photo(session: AsyncSession, request: PhotoRequest) -> Photo:
    """Return the photo of this original: a new one with its job, or the earlier one, however it ended."""
    statement = (
        insert(Photo)
        .values(
            id=request.photo_id or uuid.uuid4(),
            owner_id=request.owner_id,
            subject=request.subject,
            original_key=request.original_key,
            options=request.options.model_dump(),
            request_id=current_request_id(),
        )
        .on_conflict_do_nothing(index_elements=[Photo.original_key])
        .returning(Photo.id)
    )
    created = (await session.execute(statement)).scalar_one_or_none()
    photo = (await session.execute(select(Photo).where(Photo.original_key == request.original_key))).scalar_one()
    if created is not None:
        await enqueue_photo(session, created, ephemeral=request.subject is PhotoSubject.EPHEMERAL)
        await record_event(session, "photo", created, "photo.requested")
    return photo


async def find_photo(session: AsyncSession, photo_id: uuid.UUID) -> tuple[Photo, PhotoVariant | None] | None:
    """Return a photo as it is now, with its processed variant; None where there is no such photo."""
    statement = (
        select(Photo, PhotoVariant)
        .outerjoin(PhotoVariant, (PhotoVariant.photo_id == Photo.id) & (PhotoVariant.kind == VariantKind.PROCESSED))
        .where(Photo.id == photo_id)
        .execution_options(populate_existing=True)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1])


async def photo_of_original(session: AsyncSession, original_key: str) -> Photo | None:
    """Return the photo of this original, if it has been requested before."""
    return (await session.execute(select(Photo).where(Photo.original_key == original_key))).scalar_one_or_none()


async def request_again(session: AsyncSession, photo_id: uuid.UUID, options: PhotoOptions) -> bool:
    """Process a finished photo once more with `options`; False when it is not finished, withdrawn, or gone.

    Its result is withdrawn: the next one has another address.
    """
    photo = (await session.execute(select(Photo).where(Photo.id == photo_id).with_for_update())).scalar_one_or_none()
    if photo is None or not PhotoState(photo.state).finished or photo.visibility == Visibility.WITHDRAWN:
        return False
    await session.execute(
        update(Photo)
        .where(Photo.id == photo_id)
        .values(
            state=PhotoState.PENDING,
            visibility=Visibility.PRIVATE,
            options=options.model_dump(),
            attempts=0,
            faces=None,
            error_code=None,
            error_detail=None,
            started_at=None,
            finished_at=None,
            request_id=current_request_id(),
        )
    )
    await session.execute(
        delete(PhotoVariant).where(PhotoVariant.photo_id == photo_id, PhotoVariant.kind != VariantKind.ORIGINAL)
    )
    await enqueue_photo(session, photo_id, ephemeral=photo.subject == PhotoSubject.EPHEMERAL)
    await record_event(session, "photo", photo_id, "photo.requested", {"again": True})
    return True


async def find_variant(session: AsyncSession, bucket: str, key: str) -> tuple[PhotoVariant, Visibility] | None:
    """Return the variant that is stored under this key, and whether its photo may be seen."""
    statement = (
        select(PhotoVariant, Photo.visibility)
        .join(Photo, Photo.id == PhotoVariant.photo_id)
        .where(PhotoVariant.bucket == bucket, PhotoVariant.key == key)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], Visibility(row[1]))


async def variants_of(session: AsyncSession, photo_id: uuid.UUID) -> dict[VariantKind, PhotoVariant]:
    """Return the stored forms of a photo by their kind."""
    found = await session.execute(select(PhotoVariant).where(PhotoVariant.photo_id == photo_id))
    return {VariantKind(variant.kind): variant for variant in found.scalars()}


async def forget_photo(session: AsyncSession, photo_id: uuid.UUID) -> None:
    """Delete the row of a photo; its job, if it is still waiting, finds no photo and ends."""
    await session.execute(delete(Photo).where(Photo.id == photo_id))


async def claim_photo(session: AsyncSession, photo_id: uuid.UUID) -> Claim | None:
    """Take a photo up; None when it is finished, gone, or has used up its attempts (then it is failed here).

    A photo that is already in processing is taken over: its job is only handed out again when its worker is dead.
    """
    photo = (await session.execute(select(Photo).where(Photo.id == photo_id).with_for_update())).scalar_one_or_none()
    if photo is None or PhotoState(photo.state).finished:
        return None
    if photo.attempts >= MAX_ATTEMPTS:
        await _finish(session, photo_id, _failed(FailureCode.WORKER_DIED, f"{photo.attempts} attempts"))
        return None
    token = uuid.uuid4()
    # Before the update, which changes the loaded photo as well.
    attempt = photo.attempts + 1
    await session.execute(
        update(Photo)
        .where(Photo.id == photo_id)
        .values(
            state=PhotoState.PROCESSING,
            attempts=attempt,
            claim_token=token,
            started_at=func.now(),
        )
    )
    await record_event(session, "photo", photo_id, "photo.processing", {"attempt": attempt})
    return Claim(
        photo_id=photo_id,
        token=token,
        attempt=attempt,
        original_key=photo.original_key,
        subject=PhotoSubject(photo.subject),
        options=PhotoOptions.model_validate(photo.options),
        request_id=photo.request_id,
        requested_at=photo.created_at,
    )


async def complete_photo(
    session: AsyncSession, claim: Claim, *variants: NewVariant, faces: int, content_hash: str
) -> bool:
    """Record the result in all its sizes; False (and nothing written) when another claim has taken the photo over.

    The photo of an owner who asked to be forgotten meanwhile is withdrawn from the start.
    """
    state = PhotoState.COMPLETED if faces else PhotoState.NO_FACES
    leaving = select(User.id).where(User.id == Photo.owner_id, User.deleted_at.is_not(None)).exists()
    shown = case((leaving, Visibility.WITHDRAWN), else_=Visibility.PUBLIC)
    ephemeral = claim.subject is PhotoSubject.EPHEMERAL
    values: dict[str, Any] = {
        "state": state,
        "faces": faces,
        "content_hash": content_hash,
        "visibility": Visibility.PRIVATE if ephemeral else shown,
        "withdrawn_for": None if ephemeral else case((leaving, Withdrawal.ERASURE)),
        "error_code": None,
        "error_detail": None,
    }
    if not await _finish(session, claim.photo_id, values, claim):
        return False
    rows = [asdict(variant) | {"photo_id": claim.photo_id} for variant in variants]
    await session.execute(insert(PhotoVariant).values(rows))
    return True


async def fail_photo(session: AsyncSession, claim: Claim, code: FailureCode, detail: str | None = None) -> bool:
    """Record a final failure; False when another claim has taken the photo over. Nothing of it becomes public."""
    return await _finish(session, claim.photo_id, _failed(code, detail), claim)


async def release_photo(session: AsyncSession, claim: Claim, code: FailureCode) -> bool:
    """Give a photo back after a passing trouble: waiting callers are told, and the attempt does not count."""
    if FAILURES[code].final:
        raise ValueError(f"{code} is final: use fail_photo")
    changed = await session.execute(
        update(Photo)
        .where(Photo.id == claim.photo_id, Photo.claim_token == claim.token)
        .values(
            state=PhotoState.PENDING, attempts=Photo.attempts - 1, claim_token=None, error_code=code, started_at=None
        )
        .returning(Photo.id)
    )
    if changed.scalar_one_or_none() is None:
        return False
    await record_event(session, "photo", claim.photo_id, "photo.pending", {"error_code": code})
    await _notify(session, claim.photo_id)
    return True


def _failed(code: FailureCode, detail: str | None) -> dict[str, Any]:
    return {"state": PhotoState.FAILED, "error_code": code, "error_detail": detail}


async def _finish(
    session: AsyncSession, photo_id: uuid.UUID, values: dict[str, Any], claim: Claim | None = None
) -> bool:
    statement = update(Photo).where(Photo.id == photo_id)
    if claim is not None:
        statement = statement.where(Photo.claim_token == claim.token)
    changed = await session.execute(
        statement.values(**values, claim_token=None, finished_at=func.now()).returning(Photo.id)
    )
    if changed.scalar_one_or_none() is None:
        return False
    payload = {key: values[key] for key in ("faces", "error_code") if values.get(key) is not None}
    await record_event(session, "photo", photo_id, f"photo.{values['state']}", payload)
    await _notify(session, photo_id)
    return True


async def _notify(session: AsyncSession, photo_id: uuid.UUID) -> None:
    """Wake those who wait; PostgreSQL delivers it when the transaction commits."""
    await session.execute(
        text("SELECT pg_notify(:channel, :photo)"), {"channel": FINISHED_CHANNEL, "photo": str(photo_id)}
    )
