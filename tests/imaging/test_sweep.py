"""The sweep: what must not stay is deleted, everything else stays."""

import os
import time
import uuid
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.users import ensure_user
from loppestars_core.photos import NewVariant, PhotoOptions, PhotoRequest, claim_photo, complete_photo, request_photo
from loppestars_core.photos.ephemeral import ephemeral_original_key
from loppestars_core.photos.models import PhotoSubject
from loppestars_imaging.settings import ImagingSettings
from loppestars_imaging.sweep import sweep

OLD = 48 * 3600


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> ImagingSettings:
    return ImagingSettings(database_url=SecretStr(database_url), storage_dir=str(tmp_path))


def put(root: Path, bucket: str, key: str, age: float) -> Path:
    path = root / bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (time.time() - age,) * 2)
    return path


class TestSweep:
    async def test_only_what_is_due(self, settings: ImagingSettings, session: AsyncSession, tmp_path: Path) -> None:
        """Old originals, forgotten ones, old temporary objects and orphans go; young and unfinished ones stay."""
        await ensure_user(session, "u1")
        keep, gone = [], []
        for key, finished, age, stays in (
            ("u1/1.jpg", True, OLD, False),
            ("u1/2.jpg", True, 60, True),
            ("u1/3.jpg", False, OLD, True),
        ):
            photo = await request_photo(session, PhotoRequest(key, "u1", PhotoOptions()))
            if finished:
                claim = await claim_photo(session, photo.id)
                assert claim is not None
                result = f"u1/{photo.id}.jpg"
                variant = NewVariant("stall-photos-processed", result, "image/jpeg", 1, 1, 1)
                await complete_photo(session, claim, variant, faces=1, content_hash="x")
                keep.append(put(tmp_path, "stall-photos-processed", result, OLD))
            await session.execute(
                text("UPDATE photos SET finished_at = finished_at - make_interval(secs => :age) WHERE id = :id"),
                {"age": age, "id": photo.id},
            )
            (keep if stays else gone).append(put(tmp_path, "stall-photos", key, age))
        keep.append(put(tmp_path, "stall-photos", "u1/4.jpg", 60))
        gone.append(put(tmp_path, "stall-photos", "u1/5.jpg", OLD))
        young, old = uuid.uuid4(), uuid.uuid4()
        keep.append(put(tmp_path, "stall-photos", ephemeral_original_key(young), 60))
        gone.append(put(tmp_path, "stall-photos", ephemeral_original_key(old), 600))
        asked = PhotoRequest(ephemeral_original_key(old), None, PhotoOptions(), PhotoSubject.EPHEMERAL, old)
        await request_photo(session, asked)
        await session.execute(
            text("UPDATE photos SET created_at = created_at - interval '1 hour' WHERE id = :id"), {"id": old}
        )
        gone.append(put(tmp_path, "stall-photos-processed", "u1/orphan.jpg", OLD))
        keep.append(put(tmp_path, "stall-photos-processed", "u1/just-written.jpg", 60))
        await session.execute(
            text("UPDATE domain_events SET at = at - interval '1 year' WHERE subject_id = :id"), {"id": str(old)}
        )
        await session.commit()

        swept = await sweep(settings)

        assert [path for path in keep if not path.exists()] == []
        assert [path for path in gone if path.exists()] == []
        assert (swept.originals, swept.temporary, swept.orphans) == (2, 1, 1)
        left = await session.execute(text("SELECT count(*) FROM photos WHERE id = :id"), {"id": old})
        assert left.scalar_one() == 0
        again = await sweep(settings)
        assert (again.originals, again.temporary, again.orphans) == (0, 0, 0)
