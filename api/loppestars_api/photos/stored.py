"""`/process`: photos that lie in the bucket of originals and stay, with a result under a stable address."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.access.principal import Principal
from loppestars_api.photos.outcomes import Finished
from loppestars_api.photos.schemas import ProcessRequest
from loppestars_api.web.errors import Forbidden, NotFound, TooLarge, Unprocessable
from loppestars_core.accounts.users import ensure_user, is_leaving
from loppestars_core.database.engine import sessions
from loppestars_core.kit.clock import now_utc
from loppestars_core.photos import (
    FailureCode,
    PhotoOptions,
    PhotoRequest,
    photo_of_original,
    request_again,
    request_photo,
    variants_of,
)
from loppestars_core.photos.models import Photo, PhotoState, PhotoSubject, VariantKind
from loppestars_core.storage import InvalidKey, ObjectInfo, ObjectNotFound, Storage

# Without a token, a result is returned for this many times the age up to which an original is taken.
REPEATS: Final = 4
# Of our clock and the storage's; a file that is dated further in the future is not fresh.
MAX_CLOCK_DIFFERENCE: Final = timedelta(minutes=5)
_NOT_YOURS: Final = "This photo belongs to another user."


@dataclass(frozen=True, slots=True)
class OriginalLimits:
    """`max_bytes` of an original, and the age up to which one is processed without a token."""

    max_bytes: int
    tokenless_age: timedelta


def check_owner(caller: Principal, request: ProcessRequest) -> None:
    """Raise `Forbidden` unless the path is in the folder of its user, and the caller (with a token) is that user."""
    if request.image_path.partition("/")[0] != request.user_id:
        raise Forbidden(_NOT_YOURS)
    if not caller.anonymous and caller.id != request.user_id:
        raise Forbidden(_NOT_YOURS)


def check_original(original: ObjectInfo, caller: Principal, limits: OriginalLimits, now: datetime) -> None:
    """Refuse what can be refused without reading a byte of the original."""
    age = now - original.modified_at
    if caller.anonymous and not -MAX_CLOCK_DIFFERENCE <= age <= limits.tokenless_age:
        minutes = limits.tokenless_age.total_seconds() / 60
        raise Forbidden(f"Without a token a photo is processed within {minutes:g} minutes of its upload. Sign in.")
    if original.size > limits.max_bytes:
        raise TooLarge(f"The photo has {original.size} bytes; at most {limits.max_bytes} are accepted.")
    if original.size == 0:
        raise Unprocessable("The photo is empty.")


def check_repeat(photo: Photo, caller: Principal, limits: OriginalLimits, now: datetime) -> None:
    """Refuse a stranger who knows the path of a photo that was requested long ago."""
    if caller.anonymous and now - photo.created_at > REPEATS * limits.tokenless_age:
        minutes = REPEATS * limits.tokenless_age.total_seconds() / 60
        raise Forbidden(f"Without a token a result is returned within {minutes:g} minutes of the request. Sign in.")


class StoredPhotos:
    """Photos whose originals lie in `originals_bucket`."""

    def __init__(self, engine: AsyncEngine, storage: Storage, originals_bucket: str, limits: OriginalLimits) -> None:
        self._sessions = sessions(engine)
        self._storage = storage
        self._bucket = originals_bucket
        self.limits = limits

    async def find(self, image_path: str) -> Photo | None:
        """Return the photo of this original, if it has been requested before."""
        async with self._sessions() as session:
            return await photo_of_original(session, image_path)

    async def request_again(self, caller: Principal, request: ProcessRequest, photo: Photo) -> bool:
        """Process a photo once more where that makes sense: other options of its owner, or bytes that came later."""
        state = PhotoState(photo.state)
        if not state.finished:
            return False
        options = request.options("jpeg")
        other_options = not caller.anonymous and PhotoOptions.model_validate(photo.options) != options
        if not other_options and state is not PhotoState.FAILED:
            return False
        try:
            original = await self._storage.stat(self._bucket, request.image_path)
        except (ObjectNotFound, InvalidKey):
            return False
        # An original that was read while it was still being written is failed, and whole a moment later.
        changed = photo.started_at is not None and original.modified_at > photo.started_at
        changed = changed or photo.error_code == FailureCode.ORIGINAL_MISSING
        if not (other_options or (state is PhotoState.FAILED and changed)):
            return False
        check_original(original, caller, self.limits, now_utc())
        async with self._sessions.begin() as session:
            return await request_again(session, photo.id, options)

    async def request(self, caller: Principal, request: ProcessRequest) -> UUID:
        """Check the original, then write the photo and its job in one transaction."""
        try:
            original = await self._storage.stat(self._bucket, request.image_path)
        except (ObjectNotFound, InvalidKey):
            raise NotFound("There is no such original. Upload it first.") from None
        check_original(original, caller, self.limits, now_utc())
        wanted = PhotoRequest(
            original_key=request.image_path,
            owner_id=request.user_id,
            options=request.options("jpeg"),
            subject=PhotoSubject.RATING,
        )
        async with self._sessions.begin() as session:
            await ensure_user(session, request.user_id)
            if await is_leaving(session, request.user_id):
                raise Forbidden("The account of this photo is being deleted.")
            return (await request_photo(session, wanted)).id

    async def response_of(self, finished: Finished) -> dict[str, object]:
        """Return what `/process` answers; the mode is the one that made the result.

        A photo that is no larger than a copy would be has none: there the result itself is named.
        """
        photo, result = finished.photo, finished.result
        async with self._sessions() as session:
            variants = await variants_of(session, photo.id)
        addresses = {
            kind: self._storage.public_url(variant.bucket, variant.key)
            for kind in (VariantKind.PROCESSED, VariantKind.SCREEN, VariantKind.THUMBNAIL)
            for variant in (variants.get(kind, result),)
        }
        return {
            "success": True,
            "processedImageUrl": addresses[VariantKind.PROCESSED],
            "screenUrl": addresses[VariantKind.SCREEN],
            "thumbnailUrl": addresses[VariantKind.THUMBNAIL],
            "facesDetected": 0 if photo.state == PhotoState.NO_FACES else photo.faces or 0,
            "mode": PhotoOptions.model_validate(photo.options).mode,
        }
