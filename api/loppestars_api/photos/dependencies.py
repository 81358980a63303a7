"""Photos of the running API, for routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from loppestars_api.photos.ephemeral import MAX_RESULT_BYTES, EphemeralPhotos
from loppestars_api.photos.stored import OriginalLimits, StoredPhotos
from loppestars_api.photos.waiting import ResultWaiter
from loppestars_api.state import AppState
from loppestars_api.web.multipart import Uploads
from loppestars_core.photos import PhotoListener
from loppestars_core.photos.originals import Originals


@dataclass(frozen=True, slots=True)
class PhotoService:
    """Originals in storage, photos sent in a request, and the wait for imaging."""

    waiter: ResultWaiter
    stored: StoredPhotos
    originals: Originals
    ephemeral: EphemeralPhotos
    uploads: Uploads
    listener: PhotoListener


@asynccontextmanager
async def open_photos(state: AppState) -> AsyncIterator[PhotoService]:
    """Listen for finished photos while the context lasts."""
    settings = state.settings
    limits = OriginalLimits(settings.max_photo_bytes, timedelta(minutes=settings.tokenless_process_minutes))
    async with PhotoListener(settings) as listener:
        yield PhotoService(
            waiter=ResultWaiter(
                state.engine,
                listener,
                capacity=settings.max_waiting_photos,
                wait_seconds=settings.photo_wait_seconds,
            ),
            stored=StoredPhotos(state.engine, state.storage, settings.originals_bucket, limits),
            originals=Originals(state.storage, settings.originals_bucket, settings.max_photo_bytes),
            ephemeral=EphemeralPhotos(state.engine, state.storage, settings.originals_bucket, MAX_RESULT_BYTES),
            uploads=Uploads(at_once=settings.max_uploads, max_bytes=settings.max_photo_bytes),
            listener=listener,
        )


async def photos_of(request: Request) -> PhotoService:
    """Return what works with photos."""
    found: PhotoService = request.app.state.photos
    return found


Photos = Annotated[PhotoService, Depends(photos_of)]
