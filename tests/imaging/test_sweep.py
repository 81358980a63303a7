"""The sweep: what must not stay is deleted, everything else stays."""

import os
import time
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.accounts.users import ensure_user
from loppestars_core.photos import NewVariant, PhotoOptions, PhotoRequest, claim_photo, complete_photo, request_photo
from loppestars_core.photos.ephemeral import ephemeral_original_key
from loppestars_core.photos.models import PhotoSubject, VariantKind
from loppestars_core.ratings.models import RatingType
from loppestars_core.ratings.rate import NewRating, rate
from loppestars_imaging.settings import ImagingSettings
from loppestars_imaging.sweep import sweep
from tests.factories.markets import add_market

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

        settings = settings.model_copy(update={"unreferenced_retention": timedelta(days=365)})
        swept = await sweep(settings)

        assert [path for path in keep if not path.exists()] == []
        assert [path for path in gone if path.exists()] == []
        assert (swept.originals, swept.temporary, swept.orphans) == (2, 1, 1)
        left = await session.execute(text("SELECT count(*) FROM photos WHERE id = :id"), {"id": old})
        assert left.scalar_one() == 0
        again = await sweep(settings)
        assert (again.originals, again.temporary, again.orphans) == (0, 0, 0)

    async def test_many_orphans_are_few_queries(self, settings: ImagingSettings, tmp_path: Path) -> None:
        """One question to the database per batch of objects; more than a batch is swept whole."""
        gone = [put(tmp_path, "stall-photos-processed", f"u1/{number}.jpg", OLD) for number in range(250)]
        asked: list[str] = []

        def note(*call: object) -> None:
            asked.append(str(call[2]))

        event.listen(Engine, "before_cursor_execute", note)
        try:
            swept = await sweep(settings)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        assert swept.orphans == len(gone)
        assert len([query for query in asked if "photo_variants" in query]) < 10

    async def test_photos_that_no_rating_shows(
        self, settings: ImagingSettings, session: AsyncSession, tmp_path: Path
    ) -> None:
        """They go a day after they were finished, with every object; those that are shown, young or withdrawn stay."""
        await ensure_user(session, "u1")
        market = await add_market(session)
        there: dict[str, list[Path]] = {}
        for number, (name, age) in enumerate(
            (("shown", OLD), ("moved", OLD), ("young", 60), ("withdrawn", OLD), ("forgotten", OLD))
        ):
            photo = await request_photo(session, PhotoRequest(f"u1/{number}.jpg", "u1", PhotoOptions()))
            claim = await claim_photo(session, photo.id)
            assert claim is not None
            keys = (f"u1/{name}.jpg", f"u1/{name}-thumbnail.jpg")
            kinds = (VariantKind.PROCESSED, VariantKind.THUMBNAIL)
            variants = [
                NewVariant("stall-photos-processed", key, "image/jpeg", 1, 1, 1, kind)
                for key, kind in zip(keys, kinds, strict=True)
            ]
            await complete_photo(session, claim, *variants, faces=1, content_hash="x")
            there[name] = [put(tmp_path, "stall-photos-processed", key, age) for key in keys]
            there[name].append(put(tmp_path, "stall-photos", f"u1/{number}.jpg", 60))
            await session.execute(
                text("UPDATE photos SET finished_at = finished_at - make_interval(secs => :age) WHERE id = :id"),
                {"age": age, "id": photo.id},
            )
            if name == "withdrawn":
                await session.execute(
                    text("UPDATE photos SET visibility = 'withdrawn' WHERE id = :id"), {"id": photo.id}
                )
        for stall, url in (
            ("a", "https://old.example/storage/v1/object/public/stall-photos-processed/u1/shown.jpg"),
            ("b", "https://x/y/moved-thumbnail.jpg?width=3"),
        ):
            new = NewRating(user_id="u1", market_id=market, rating=5, rating_type=RatingType.STALL, stall_name=stall)
            await rate(session, replace(new, photo_url=url))
        await session.commit()

        swept = await sweep(settings)

        left = {name for name, paths in there.items() if any(path.exists() for path in paths)}
        assert (swept.unreferenced, left) == (1, {"shown", "moved", "young", "withdrawn"})
        assert (await sweep(settings)).unreferenced == 0
        events = await session.execute(text("SELECT count(*) FROM domain_events WHERE event = 'photo.deleted'"))
        assert events.scalar_one() == 1
