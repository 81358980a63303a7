"""A photo through the worker: its result and copies are stored, recorded, and deleted together."""

import hashlib
import io
import uuid
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import select

from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.photos import PhotoOptions, PhotoRequest, request_photo
from loppestars_core.photos.models import Photo, PhotoState, PhotoSubject, PhotoVariant, VariantKind
from loppestars_core.storage import open_storage
from loppestars_imaging.engine.pool import EnginePool
from loppestars_imaging.settings import ImagingSettings
from loppestars_imaging.worker.photo_job import PhotoUnfinished, PhotoWork


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> ImagingSettings:
    return ImagingSettings(database_url=SecretStr(database_url), storage_dir=str(tmp_path))


def photo() -> bytes:
    target = io.BytesIO()
    Image.linear_gradient("L").resize((1600, 1200)).convert("RGB").save(target, "JPEG")
    return target.getvalue()


async def requested(settings: ImagingSettings, subject: PhotoSubject) -> tuple[PhotoWork, uuid.UUID]:
    database = create_engine(settings, application="test")
    key = f"u1/{uuid.uuid4()}.jpg"
    storage = open_storage(settings)
    await storage.put(settings.originals_bucket, key, photo(), "image/jpeg")
    async with sessions(database).begin() as session:
        made = await request_photo(session, PhotoRequest(key, None, PhotoOptions(), subject))
    return PhotoWork(settings, database, storage, EnginePool(settings)), made.id


async def variants(work: PhotoWork, photo_id: uuid.UUID) -> dict[str, PhotoVariant]:
    async with sessions(work.database)() as session:
        found = await session.scalars(select(PhotoVariant).where(PhotoVariant.photo_id == photo_id))
        return {variant.kind: variant for variant in found}


class TestCopies:
    async def test_stored_and_recorded(self, settings: ImagingSettings) -> None:
        """Three objects next to each other, each as its row says; copies are named by their content."""
        work, photo_id = await requested(settings, PhotoSubject.RATING)
        try:
            await work.process(photo_id)
            found = await variants(work, photo_id)
            assert set(found) == {VariantKind.PROCESSED, VariantKind.SCREEN, VariantKind.THUMBNAIL}
            for variant in found.values():
                data = await work.storage.get(variant.bucket, variant.key, 10_000_000)
                assert len(data) == variant.bytes
                with Image.open(io.BytesIO(data)) as image:
                    assert image.size == (variant.width, variant.height)
                if variant.kind != VariantKind.PROCESSED:
                    assert hashlib.sha256(data).hexdigest()[:16] in variant.key
                    assert variant.key.startswith(found[VariantKind.PROCESSED].key.removesuffix(".jpg"))
            assert (found[VariantKind.THUMBNAIL].width, found[VariantKind.SCREEN].width) == (400, 1280)
        finally:
            await work.engines.stop()
            await work.database.dispose()

    async def test_none_for_single_requests(self, settings: ImagingSettings) -> None:
        """What is gone after its answer has no copies."""
        work, photo_id = await requested(settings, PhotoSubject.EPHEMERAL)
        try:
            await work.process(photo_id)
            assert set(await variants(work, photo_id)) == {VariantKind.PROCESSED}
        finally:
            await work.engines.stop()
            await work.database.dispose()

    async def test_nothing_stays_of_a_lost_photo(
        self, settings: ImagingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker that was too late deletes all it wrote."""
        work, photo_id = await requested(settings, PhotoSubject.RATING)

        async def too_late(*arguments: object, **options: object) -> bool:
            return False

        monkeypatch.setattr("loppestars_imaging.worker.photo_job.complete_photo", too_late)
        try:
            await work.process(photo_id)
            assert [path for path in (tmp_path / settings.processed_bucket).rglob("*") if path.is_file()] == []
        finally:
            await work.engines.stop()
            await work.database.dispose()


class TestStorageTrouble:
    async def test_a_result_that_cannot_be_written(self, settings: ImagingSettings, tmp_path: Path) -> None:
        """The photo goes back to the queue with its attempt; nothing says that it was published."""
        work, photo_id = await requested(settings, PhotoSubject.RATING)
        (tmp_path / settings.processed_bucket).write_text("a file where the folder should be")
        try:
            with pytest.raises(PhotoUnfinished):
                await work.process(photo_id)
            async with sessions(work.database)() as session:
                photo = await session.get_one(Photo, photo_id)
            assert (photo.state, photo.visibility, photo.attempts) == (PhotoState.PENDING, "private", 0)
            assert await variants(work, photo_id) == {}
        finally:
            await work.engines.stop()
            await work.database.dispose()
