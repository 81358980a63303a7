"""Published photos over HTTP: always served, unless withdrawn, gone or damaged."""

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_core.accounts.users import ensure_user
from loppestars_core.photos.models import Photo, PhotoVariant
from loppestars_core.storage import Storage

BUCKET, KEY = "stall-photos-processed", "u/x.jpg"
URL = f"/storage/v1/object/public/{BUCKET}/{KEY}"
PHOTO = b"\xff\xd8\xff" + bytes(2_000_000)


async def publish(session: AsyncSession, storage: Storage, data: bytes = PHOTO, key: str = KEY) -> None:
    """Write a finished photo and its bytes."""
    await ensure_user(session, "u")
    photo = Photo(owner_id="u", original_key=f"u/{key}", state="completed", visibility="public", faces=1)
    session.add(photo)
    await session.flush()
    session.add(
        PhotoVariant(
            photo_id=photo.id,
            kind="processed",
            bucket=BUCKET,
            key=key,
            format="image/jpeg",
            width=4,
            height=3,
            bytes=len(data),
        )
    )
    await session.commit()
    await storage.put(BUCKET, key, data, "image/jpeg")


class TestPublicFile:
    @pytest.mark.parametrize("limit", [52_428_800, 1_048_576])
    async def test_the_limit_of_uploads_is_not_its_limit(
        self, api_settings: ApiSettings, session: AsyncSession, storage: Storage, limit: int
    ) -> None:
        """What was published is served, also where uploads may not be as large any more."""
        await publish(session, storage)
        app = create_app(api_settings.model_copy(update={"max_photo_bytes": limit}))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                answer = await client.get(URL)
        assert (answer.status_code, answer.content == PHOTO) == (200, True)

    async def test_caches_ask_again(self, client: httpx.AsyncClient, session: AsyncSession, storage: Storage) -> None:
        """A copy is kept for minutes, and is confirmed without sending it again."""
        await publish(session, storage)
        first = await client.get(URL)
        assert first.headers["cache-control"] == "public, max-age=300, must-revalidate"
        assert first.headers["x-content-type-options"] == "nosniff"
        again = await client.get(URL, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    async def test_withdrawn(self, client: httpx.AsyncClient, session: AsyncSession, storage: Storage) -> None:
        """A withdrawn photo is gone at once, also for a cache that has it."""
        await publish(session, storage)
        tag = (await client.get(URL)).headers["etag"]
        await session.execute(text("UPDATE photos SET visibility = 'withdrawn'"))
        await session.commit()
        assert (await client.get(URL)).status_code == 410
        assert (await client.get(URL, headers={"If-None-Match": tag})).status_code == 410

    async def test_withdrawn_copies(self, client: httpx.AsyncClient, session: AsyncSession, storage: Storage) -> None:
        """Its thumbnail and its size for screens go with it."""
        await publish(session, storage)
        for kind in ("screen", "thumbnail"):
            statement = text(
                "INSERT INTO photo_variants (photo_id, kind, bucket, key, format, width, height, bytes) "
                "SELECT id, :kind, :bucket, :key, 'image/jpeg', 4, 3, 3 FROM photos"
            )
            await session.execute(statement, {"kind": kind, "bucket": BUCKET, "key": f"u/{kind}.jpg"})
            await storage.put(BUCKET, f"u/{kind}.jpg", PHOTO[:3], "image/jpeg")
        await session.commit()
        urls = [f"/storage/v1/object/public/{BUCKET}/u/{kind}.jpg" for kind in ("screen", "thumbnail")]
        assert [(await client.get(url)).status_code for url in urls] == [200, 200]
        await session.execute(text("UPDATE photos SET visibility = 'withdrawn'"))
        await session.commit()
        assert [(await client.get(url)).status_code for url in urls] == [410, 410]

    async def test_bytes_gone(self, client: httpx.AsyncClient, session: AsyncSession, storage: Storage) -> None:
        """404, never cached; it is logged and counted."""
        await publish(session, storage)
        await storage.delete(BUCKET, KEY)
        answer = await client.get(URL)
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")

    async def test_bytes_cut_short(self, client: httpx.AsyncClient, session: AsyncSession, storage: Storage) -> None:
        """503, never half a photo that caches would keep."""
        await publish(session, storage)
        await storage.put(BUCKET, KEY, PHOTO[:1000], "image/jpeg")
        answer = await client.get(URL)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "300")

    async def test_what_was_never_published(self, client: httpx.AsyncClient, storage: Storage) -> None:
        """Bytes in the bucket alone are not a published photo."""
        await storage.put(BUCKET, "u/other.jpg", PHOTO, "image/jpeg")
        assert (await client.get(URL.replace("x.jpg", "other.jpg"))).status_code == 404


class TestRanges:
    """A download that broke off goes on."""

    @pytest.mark.parametrize(
        ("header", "status", "part"),
        [
            ("bytes=0-9", 206, slice(0, 10)),
            ("bytes=1000000-", 206, slice(1_000_000, None)),
            ("bytes=-3", 206, slice(-3, None)),
            ("bytes=70000-70001", 206, slice(70_000, 70_002)),
            ("bytes=5-99999999", 206, slice(5, None)),
            ("bytes=9-5", 200, slice(None)),
            ("bytes=0-1,5-6", 200, slice(None)),
            ("lines=0-1", 200, slice(None)),
            ("bytes=99999999-", 416, None),
            ("bytes=-0", 416, None),
        ],
    )
    async def test_answer(  # noqa: PLR0913 - one argument per fixture and column
        self,
        client: httpx.AsyncClient,
        session: AsyncSession,
        storage: Storage,
        *,
        header: str,
        status: int,
        part: slice | None,
    ) -> None:
        """206 with what was asked for, 416 behind the end, the whole file where the header means nothing."""
        await publish(session, storage, data := PHOTO[:3] + bytes(range(256)) * 5000)
        answer = await client.get(URL, headers={"Range": header, "Accept-Encoding": "identity"})
        assert answer.status_code == status
        assert answer.headers.get("content-range", "").endswith(f"/{len(data)}" if status != 200 else "")
        if part is not None:
            assert answer.content == data[part]
            assert answer.headers["accept-ranges"] == "bytes"
            assert int(answer.headers["content-length"]) == len(data[part])

    async def test_another_version(self, client: httpx.AsyncClient, session: AsyncSession, storage: Storage) -> None:
        """A part of a file that has changed is of no use: the whole one comes."""
        await publish(session, storage)
        stale = await client.get(URL, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
        tag = stale.headers["etag"]
        fresh = await client.get(URL, headers={"Range": "bytes=0-9", "If-Range": tag})
        assert (stale.status_code, fresh.status_code) == (200, 206)
