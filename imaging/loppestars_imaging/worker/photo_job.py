"""One photo, from its job to its record. Anything doubtful publishes nothing."""

import hashlib
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.database.engine import sessions
from loppestars_core.kit.clock import now_utc
from loppestars_core.photos import (
    Claim,
    FailureCode,
    NewVariant,
    PhotoOptions,
    claim_photo,
    complete_photo,
    fail_photo,
    release_photo,
)
from loppestars_core.photos.ephemeral import ephemeral_result_key
from loppestars_core.photos.models import PhotoSubject, VariantKind
from loppestars_core.storage import ObjectNotFound, ObjectTooLarge, Storage, StorageError
from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.pool import EnginePool, Result
from loppestars_imaging.errors import (
    DetectorUnavailable,
    EngineCrashed,
    EngineUnavailable,
    ImagingError,
    PhotoRefused,
    PhotoTimedOut,
    TooManyBytes,
)
from loppestars_imaging.metrics import FACES, PHOTO_QUEUED_SECONDS, PHOTO_SECONDS, PHOTOS, PIXELS
from loppestars_imaging.settings import ImagingSettings

log = structlog.get_logger(__name__)

_EXTENSIONS: Final = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
# 256 bits: the path of a processed photo cannot be guessed.
_KEY_BYTES: Final = 32


class PhotoUnfinished(Exception):
    """The photo was not finished; its job comes back."""


@dataclass(frozen=True, slots=True)
class PhotoWork:
    """What one photo needs."""

    settings: ImagingSettings
    database: AsyncEngine
    storage: Storage
    engines: EnginePool

    async def process(self, photo_id: uuid.UUID) -> None:
        """Finish the photo; raise `PhotoUnfinished` when its job has to come back."""
        started = time.monotonic()
        async with sessions(self.database).begin() as session:
            claim = await claim_photo(session, photo_id)
        if claim is None:
            log.info("photo_already_done")
            return
        PHOTO_QUEUED_SECONDS.observe(max(0.0, (now_utc() - claim.requested_at).total_seconds()))
        outcome = await self._finish(claim)
        PHOTOS.labels(outcome).inc()
        PHOTO_SECONDS.observe(time.monotonic() - started)
        log.info("photo_finished", result=outcome, attempt=claim.attempt, seconds=round(time.monotonic() - started, 3))

    async def _finish(self, claim: Claim) -> str:
        try:
            data = await self.storage.get(self.settings.originals_bucket, claim.original_key, self.settings.max_bytes)
        except ObjectNotFound:
            return await self._fail(claim, FailureCode.ORIGINAL_MISSING)
        except ObjectTooLarge as error:
            return await self._fail(claim, FailureCode.TOO_MANY_BYTES, str(TooManyBytes(error.size, error.limit)))
        except StorageError as error:
            raise await self._give_back(claim, FailureCode.STORAGE_UNAVAILABLE, error) from error
        lasting = claim.subject is not PhotoSubject.EPHEMERAL
        try:
            async with self.engines.engine() as engine:
                task = task_of(claim.options, copies=lasting, max_side=self.settings.max_side)
                result = await engine.anonymise(data, task)
        except PhotoRefused as error:
            return await self._fail(claim, FailureCode(error.code), str(error))
        except PhotoTimedOut as error:
            return await self._fail(claim, FailureCode.TIMED_OUT, str(error))
        except (DetectorUnavailable, EngineUnavailable) as error:
            raise await self._give_back(claim, FailureCode.IMAGING_UNAVAILABLE, error) from error
        except EngineCrashed as error:
            # The attempt counts: a photo that breaks engines is given up after a few.
            raise PhotoUnfinished(str(error)) from error
        except ImagingError as error:
            return await self._fail(claim, FailureCode.NOT_ANONYMISED, str(error))
        return await self._publish(claim, result, hashlib.sha256(data).hexdigest())

    async def _publish(self, claim: Claim, result: Result, content_hash: str) -> str:
        objects = self._objects(claim, result)
        try:
            for variant, data in objects:
                await self.storage.put(variant.bucket, variant.key, data, variant.format)
        except StorageError as error:
            raise await self._give_back(claim, FailureCode.STORAGE_UNAVAILABLE, error) from error
        variants = [variant for variant, _ in objects]
        async with sessions(self.database).begin() as session:
            ours = await complete_photo(session, claim, *variants, faces=result.faces, content_hash=content_hash)
        if not ours:
            # Another worker has taken the photo over, or its request has gone: nothing refers to these objects.
            for variant in variants:
                await self.storage.delete(variant.bucket, variant.key)
            return "lost"
        FACES.inc(result.faces)
        PIXELS.inc(result.width * result.height)
        return "completed" if result.faces else "no_faces"

    def _objects(self, claim: Claim, result: Result) -> list[tuple[NewVariant, bytes]]:
        """Return what is written, the result first; a copy is named by its content, so that it can be cached."""
        size = result.width, result.height, len(result.data)
        if claim.subject is PhotoSubject.EPHEMERAL:
            bucket, key = self.settings.originals_bucket, ephemeral_result_key(claim.photo_id)
            return [(NewVariant(bucket, key, result.content_type, *size), result.data)]
        # A key's segment must not start with a dot; the alphabet has none, so any token is a plain name.
        stem = f"{claim.original_key.partition('/')[0]}/{secrets.token_urlsafe(_KEY_BYTES)}"
        bucket, key = self.settings.processed_bucket, f"{stem}.{_EXTENSIONS[result.content_type]}"
        objects = [(NewVariant(bucket, key, result.content_type, *size), result.data)]
        for copy, data in result.copies:
            key = f"{stem}-{copy.kind}-{hashlib.sha256(data).hexdigest()[:16]}.jpg"
            kind = VariantKind(copy.kind)
            objects.append((NewVariant(bucket, key, "image/jpeg", copy.width, copy.height, copy.size, kind), data))
        return objects

    async def _fail(self, claim: Claim, code: FailureCode, detail: str | None = None) -> str:
        async with sessions(self.database).begin() as session:
            ours = await fail_photo(session, claim, code, detail)
        log.warning("photo_not_published", code=code, detail=detail)
        refused = code not in {FailureCode.TIMED_OUT, FailureCode.NOT_ANONYMISED}
        return "lost" if not ours else ("refused" if refused else "failed")

    async def _give_back(self, claim: Claim, code: FailureCode, error: Exception) -> PhotoUnfinished:
        async with sessions(self.database).begin() as session:
            await release_photo(session, claim, code)
        PHOTOS.labels("given_back").inc()
        return PhotoUnfinished(f"{code}: {error}")


def task_of(options: PhotoOptions, *, copies: bool = False, max_side: int = 0) -> Task:
    """Return the request's options as the engine takes them."""
    return Task(
        mode=options.mode,
        cell_pixels=options.pixelate_size,
        blur_strength=options.blur_strength,
        least_side=options.downscale_for_detection,
        jpeg_only=options.output == "jpeg",
        copies=copies,
        max_side=max_side,
    )
