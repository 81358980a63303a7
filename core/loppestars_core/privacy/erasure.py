"""Forget a person: files first, then rows. Nothing of them is left but the audit log."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import String, Table, cast, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.models import User
from loppestars_core.database.engine import sessions
from loppestars_core.events.audit import record_audit
from loppestars_core.photos.models import Photo, PhotoState, PhotoVariant
from loppestars_core.privacy.export import UserNotFound
from loppestars_core.privacy.people import Tables, rows_of
from loppestars_core.privacy.policies import POLICIES, Erasure
from loppestars_core.storage import Storage

NAMELESS: Final = "erased:"
"""Beginning of the ids of users that stand for nobody: each has one row that was anonymised."""
# A worker that has not finished within that time is dead, and its photo will not be.
_MAX_PROCESSING: Final = timedelta(hours=1)


class OnLegalHold(RuntimeError):
    """The user's data must be kept for now."""


class PhotoInProgress(RuntimeError):
    """A worker is writing a photo of the user at this moment: what it leaves could not be found afterwards."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What went: objects of photos, and rows by table."""

    objects: int
    rows: dict[str, int]


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
        PhotoInProgress: all rows are left; the same call succeeds when the photo is finished.
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
        await _check_idle(session, user_id)
        # What was finished since the files were listed; no worker can begin another one now.
        objects += await _empty_folders(storage, buckets, user_id)
        rows = await _erase_rows(session, tables, user_id)
        await record_audit(
            session,
            actor_kind="user" if actor_id else "operator",
            actor_id=actor_id,
            action="user.erased",
            subject_type="user",
            subject_id=user_id,
        )
    # What was uploaded meanwhile: from now on there is no user to upload for.
    return Erased(objects + await _empty_folders(storage, buckets, user_id), rows)


async def _check_idle(session: AsyncSession, user_id: str) -> None:
    """Lock the user and their photos for the transaction; raise `OnLegalHold` or `PhotoInProgress`."""
    locked = select(User.legal_hold).where(User.id == user_id).with_for_update()
    if (await session.execute(locked)).scalar_one_or_none():
        raise OnLegalHold(f"{user_id!r} is on legal hold")
    busy = (Photo.state == PhotoState.PROCESSING) & (Photo.started_at > func.now() - _MAX_PROCESSING)
    photos = select(busy).where(Photo.owner_id == user_id).order_by(Photo.id).with_for_update()
    if any((await session.execute(photos)).scalars().all()):
        raise PhotoInProgress("a photo is being processed; try again in a minute")


async def _empty_folders(storage: Storage, buckets: tuple[str, ...], user_id: str) -> int:
    """Delete the objects of the user's own folder in each bucket."""
    count = 0
    for bucket in buckets:
        async for info in storage.list(bucket, f"{user_id}/"):
            await storage.delete(bucket, info.key)
            count += 1
    return count


async def _erase_rows(session: AsyncSession, tables: Tables, user_id: str) -> dict[str, int]:
    """Delete, detach or anonymise the user's rows, those that refer to others first; the user's own row goes last."""
    counts: dict[str, int] = {}
    order = [table.name for table in reversed(next(iter(tables.values())).metadata.sorted_tables)]
    for name in order:
        policy, theirs = POLICIES[name], rows_of(tables, name, user_id)
        if theirs is None or policy.erasure not in {Erasure.DELETE, Erasure.DETACH, Erasure.ANONYMISE}:
            continue
        change: Any
        if policy.erasure is Erasure.DELETE:
            change = delete(tables[name]).where(theirs)
        elif policy.erasure is Erasure.DETACH:
            change = update(tables[name]).where(theirs).values({policy.owner: None})
        else:
            change = await _anonymising(session, tables[name], theirs)
        result = await session.execute(change.returning(*tables[name].primary_key.columns))
        if rows := len(result.all()):
            counts[name] = rows
    return counts


async def _anonymising(session: AsyncSession, table: Table, theirs: Any) -> Any:  # noqa: ANN401 - SQL expressions
    """Make a nameless user for each row, and return the change that hands the rows over.

    One for each, so that nothing says that two rows were one person's.
    """
    policy = POLICIES[table.name]
    nameless = literal(NAMELESS).concat(cast(table.c.id, String))
    await session.execute(insert(User).from_select(["id"], select(nameless).where(theirs)))
    values: dict[Any, Any] = {policy.owner: nameless, **dict.fromkeys(policy.personal)}
    return update(table).where(theirs).values(values)
