"""Photos over HTTP, with the real queue between the API and a consumer that stands in for imaging."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_api.app import create_app
from loppestars_api.photos.ephemeral import negotiate
from loppestars_api.settings import ApiSettings
from loppestars_core.accounts.models import Identity, User
from loppestars_core.photos import FAILURES, FailureCode
from loppestars_core.photos.models import Photo
from loppestars_core.storage import Storage
from tests.factories.photo_consumer import ORIGINALS, PhotoConsumer

USER = "5b0f4a3e-user"
STATUSES = {
    FailureCode.TOO_MANY_BYTES: 413,
    FailureCode.TOO_MANY_PIXELS: 422,
    FailureCode.UNSUPPORTED_FORMAT: 415,
    FailureCode.UNREADABLE: 422,
    FailureCode.EMPTY: 422,
    FailureCode.ORIGINAL_MISSING: 404,
    FailureCode.TIMED_OUT: 422,
    FailureCode.NOT_ANONYMISED: 422,
    FailureCode.WORKER_DIED: 422,
    FailureCode.STORAGE_UNAVAILABLE: 503,
    FailureCode.IMAGING_UNAVAILABLE: 503,
}


def body(path: str = f"{USER}/1718000000000.jpg", user: str = USER, **options: Any) -> dict[str, Any]:
    return {"imagePath": path, "userId": user, **options}


async def upload(storage: Storage, content: str = "a stall!!", path: str = f"{USER}/1718000000000.jpg") -> None:
    await storage.put(ORIGINALS, path, content.encode(), "image/jpeg")


def quick(settings: ApiSettings, **changes: Any) -> ApiSettings:
    return settings.model_copy(update={"photo_wait_seconds": 0.3, **changes})


def client_of(settings: ApiSettings) -> tuple[Any, httpx.AsyncClient]:
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    return app, httpx.AsyncClient(transport=transport, base_url="http://api.test")


class TestProcess:
    async def test_the_result_has_a_stable_address(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer
    ) -> None:
        """The released app's call, token-less, straight after its upload; the address can be fetched."""
        await upload(storage)
        answer = await client.post("/process", json=body(mode="blur", unknown="ignored"), params={"token": "ignored"})
        assert answer.status_code == 200
        document = answer.json()
        urls = ["processedImageUrl", "screenUrl", "thumbnailUrl"]
        assert list(document) == ["success", *urls, "facesDetected", "mode"]
        assert len({document[url] for url in urls}) == 1  # nothing smaller was made of it
        assert (document["success"], document["facesDetected"], document["mode"]) == (True, 2, "blur")
        fetched = await client.get(httpx.URL(document["processedImageUrl"]).raw_path.decode())
        assert fetched.status_code == 200
        assert fetched.headers["content-type"] == "image/jpeg"
        assert fetched.headers["x-content-type-options"] == "nosniff"
        assert fetched.content == b"\xff\xd8\xff a stall!! blur jpeg"

    async def test_copies(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, session: AsyncSession
    ) -> None:
        """Smaller copies have addresses of their own."""
        await upload(storage)
        await client.post("/process", json=body())
        statement = text(
            "INSERT INTO photo_variants (photo_id, kind, bucket, key, format, width, height, bytes) "
            "SELECT photo_id, 'thumbnail', bucket, 'u/small.jpg', format, 2, 2, 1 FROM photo_variants"
        )
        await session.execute(statement)
        await session.commit()
        document = (await client.post("/process", json=body())).json()
        assert document["thumbnailUrl"].endswith("/u/small.jpg")
        assert document["screenUrl"] == document["processedImageUrl"]

    async def test_again_returns_the_first_result(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, sign: Any
    ) -> None:
        """Ten calls at once and one later are one photo, one job, one result."""
        await upload(storage)
        answers = await asyncio.gather(*(client.post("/process", json=body()) for _ in range(10)))
        answers.append(await client.post("/process", json=body(), headers=sign(USER)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
        assert len(consumer.claims) == 1

    async def test_no_faces(self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer) -> None:
        """A clean run that found none is a result too."""
        await upload(storage, "an empty table")
        answer = await client.post("/process", json=body())
        assert (answer.status_code, answer.json()["facesDetected"]) == (200, 0)

    async def test_tokenless_makes_a_user_without_identity(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, session: AsyncSession, sign: Any
    ) -> None:
        """The owner column is a foreign key; signing in later adds the identity."""
        await upload(storage)
        await client.post("/process", json=body())
        assert (await session.execute(select(User.id))).scalars().all() == [USER]
        assert (await session.execute(select(func.count()).select_from(Identity))).scalar_one() == 0
        await client.post("/process", json=body(), headers=sign(USER))
        assert (await session.execute(select(Identity.subject))).scalars().all() == [USER]

    @pytest.mark.parametrize("code", [code for code in FailureCode if FAILURES[code].final])
    async def test_each_failure_has_its_status(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, code: FailureCode
    ) -> None:
        """What imaging found is told with the contract's status, also the second time; nothing is public."""
        await upload(storage, f"fail:{code}")
        for _ in range(2):
            answer = await client.post("/process", json=body())
            assert answer.status_code == STATUSES[code]
            assert answer.json()["detail"] in {FAILURES[code].message, f"sentence about {code}"}
        # An original that is there is looked for again; what is wrong with its bytes stays wrong.
        assert len(consumer.claims) == (2 if code is FailureCode.ORIGINAL_MISSING else 1)

    @pytest.mark.parametrize("code", [code for code in FailureCode if not FAILURES[code].final])
    async def test_passing_trouble_is_a_503(
        self, api_settings: ApiSettings, storage: Storage, consumer: PhotoConsumer, code: FailureCode
    ) -> None:
        """Imaging without its model, storage down: come back later. The photo is not lost."""
        await upload(storage, f"busy:{code}")
        app, client = client_of(quick(api_settings, photo_wait_seconds=5))
        async with app.router.lifespan_context(app), client:
            await app.state.readiness.ask()
            answer = await client.post("/process", json=body())
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0

    async def test_a_timeout_is_a_504_and_the_job_goes_on(
        self, api_settings: ApiSettings, storage: Storage, consumer: PhotoConsumer
    ) -> None:
        """Retry-After says when to come back; then the same call returns the finished result."""
        await upload(storage, "wait!")
        app, client = client_of(quick(api_settings))
        async with app.router.lifespan_context(app), client:
            late = await client.post("/process", json=body())
            consumer.release.set()
            await asyncio.sleep(0.3)
            answer = await client.post("/process", json=body())
        assert late.status_code == 504
        assert int(late.headers["retry-after"]) > 0
        assert (answer.status_code, answer.json()["facesDetected"]) == (200, 1)

    async def test_nobody_works_on_photos(self, api_settings: ApiSettings, storage: Storage) -> None:
        """Without any worker it is a 503 that says so, not a 504; the photo and its job stay."""
        await upload(storage)
        app, client = client_of(quick(api_settings))
        async with app.router.lifespan_context(app), client:
            answer = await client.post("/process", json=body())
        assert answer.status_code == 503
        assert "not available now" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0

    async def test_beyond_the_places_it_is_a_503_at_once(
        self, api_settings: ApiSettings, storage: Storage, consumer: PhotoConsumer
    ) -> None:
        """The number of waiting requests is bounded; health and lists do not notice."""
        for number in range(3):
            await upload(storage, "wait!", f"{USER}/{number}.jpg")
        app, client = client_of(quick(api_settings, photo_wait_seconds=5, max_waiting_photos=2))
        async with app.router.lifespan_context(app), client:
            waiting = [asyncio.create_task(client.post("/process", json=body(f"{USER}/{n}.jpg"))) for n in range(2)]
            await asyncio.sleep(0.3)
            refused = await client.post("/process", json=body(f"{USER}/2.jpg"))
            health = await client.get("/health")
            lists = await client.get("/markets/today")
            consumer.release.set()
            answers = await asyncio.gather(*waiting)
        assert (refused.status_code, health.status_code, lists.status_code) == (503, 200, 200)
        assert int(refused.headers["retry-after"]) > 0
        assert [answer.status_code for answer in answers] == [200, 200]


class TestWhoMayProcess:
    @pytest.mark.parametrize(
        ("path", "user", "status"),
        [
            ("other/1.jpg", USER, 403),
            (f"{USER}/1.jpg", "other", 403),
            (f"{USER}/missing.jpg", USER, 422),
            (f"{USER}/1.png", USER, 422),
            (f"{USER}/../other/1.jpg", USER, 422),
            (f"/{USER}/1.jpg", USER, 422),
            (f"{USER}/1.jpg\n", USER, 422),
            (f"{USER}/1.jpg\x00", USER, 422),
            ("..\\1.jpg", "..", 422),
            ("../1.jpg", "..", 422),
            (f"{USER}/1.jpg", "'; DROP TABLE photos; --", 422),
            (f"{USER}/9.jpg", USER, 404),
        ],
    )
    async def test_paths(self, client: httpx.AsyncClient, storage: Storage, path: str, user: str, status: int) -> None:
        """Only digits below the own id; a path of somebody else's is 403, whatever userId says."""
        await upload(storage, path=f"{USER}/1.jpg")
        await upload(storage, path="other/1.jpg")
        answer = await client.post("/process", json=body(path, user))
        assert answer.status_code == status, answer.text

    async def test_with_a_token_the_subject_is_the_owner(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, sign: Any
    ) -> None:
        """Someone else's photo is 403, an admin's token included; nothing of it enters the queue."""
        await upload(storage)
        for headers in (sign("someone-else"), sign("someone-else", app_metadata={"roles": ["admin"]})):
            answer = await client.post("/process", json=body(), headers=headers)
            assert answer.status_code == 403
        assert consumer.claims == []
        assert (await client.post("/process", json=body(), headers=sign(USER))).status_code == 200

    @pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic dXNlcg==", "nonsense", "Bearer a.b.c"])
    async def test_a_bad_token_is_worse_than_none(
        self, client: httpx.AsyncClient, storage: Storage, header: str
    ) -> None:
        """401, although the same call without a token would be accepted."""
        await upload(storage)
        answer = await client.post("/process", json=body(), headers={"Authorization": header})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")

    async def test_an_old_original_needs_a_token(  # noqa: PLR0913, PLR0917 - fixtures
        self,
        client: httpx.AsyncClient,
        storage: Storage,
        consumer: PhotoConsumer,
        sign: Any,
        session: AsyncSession,
        tmp_path: Path,
    ) -> None:
        """Without one, a quarter of an hour; what has been requested before is answered for an hour."""
        await upload(storage)
        file = tmp_path / "storage" / ORIGINALS / USER / "1718000000000.jpg"
        old = time.time() - 16 * 60
        os.utime(file, (old, old))
        refused = await client.post("/process", json=body())
        assert (refused.status_code, "15 minutes" in refused.json()["detail"]) == (403, True)
        assert (await client.post("/process", json=body(), headers=sign(USER))).status_code == 200
        assert (await client.post("/process", json=body())).status_code == 200
        await session.execute(text("UPDATE photos SET created_at = now() - interval '61 minutes'"))
        await session.commit()
        assert (await client.post("/process", json=body())).status_code == 403
        assert (await client.post("/process", json=body(), headers=sign(USER))).status_code == 200

    async def test_a_file_of_the_future_is_not_fresh(
        self, client: httpx.AsyncClient, storage: Storage, tmp_path: Path
    ) -> None:
        """A date ahead of all clocks would count as fresh without end."""
        await upload(storage)
        later = time.time() + 3600
        os.utime(tmp_path / "storage" / ORIGINALS / USER / "1718000000000.jpg", (later, later))
        assert (await client.post("/process", json=body())).status_code == 403

    async def test_the_owner_may_ask_again(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, sign: Any
    ) -> None:
        """Whoever was first without a token does not decide the options; a stranger's others change nothing."""
        await upload(storage)
        first = await client.post("/process", json=body(mode="blur"))
        stranger = await client.post("/process", json=body(mode="pixelate"))
        owner = await client.post("/process", json=body(mode="pixelate"), headers=sign(USER))
        again = await client.post("/process", json=body(mode="pixelate"), headers=sign(USER))
        modes = [answer.json()["mode"] for answer in (first, stranger, owner, again)]
        assert modes == ["blur", "blur", "pixelate", "pixelate"]
        assert len(consumer.claims) == 2

    async def test_an_original_that_was_completed_later(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer
    ) -> None:
        """Read while it was still being written, it failed; whole, it is processed."""
        await upload(storage, "fail:unreadable")
        assert (await client.post("/process", json=body())).status_code == 422
        assert (await client.post("/process", json=body())).status_code == 422
        await upload(storage, "a stall!")
        assert (await client.post("/process", json=body())).status_code == 200
        assert len(consumer.claims) == 2

    async def test_an_original_that_is_back(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, tmp_path: Path
    ) -> None:
        """The worker did not find it, and now it is there, as old as it was: the same call succeeds."""
        await upload(storage, "fail:original_missing")
        assert (await client.post("/process", json=body())).status_code == 404
        await upload(storage, "a stall!")
        earlier = time.time() - 60
        os.utime(tmp_path / "storage" / ORIGINALS / USER / "1718000000000.jpg", (earlier, earlier))
        assert (await client.post("/process", json=body())).status_code == 200
        assert len(consumer.claims) == 2

    async def test_a_deleted_user_is_signed_out(
        self, client: httpx.AsyncClient, session: AsyncSession, sign: Any
    ) -> None:
        """Their tokens live longer than their account."""
        await client.post("/process", json=body(), headers=sign(USER))
        await session.execute(text("UPDATE users SET deleted_at = now()"))
        await session.commit()
        assert (await client.post("/process", json=body(), headers=sign(USER))).status_code == 401


class TestLimits:
    async def test_sizes_are_told_from_the_storage(self, api_settings: ApiSettings, storage: Storage) -> None:
        """Too large and empty originals are refused before there is a row or a job."""
        app, client = client_of(quick(api_settings, max_photo_bytes=2000))
        await upload(storage, "x" * 2001, f"{USER}/1.jpg")
        await upload(storage, "", f"{USER}/2.jpg")
        async with app.router.lifespan_context(app), client:
            large = await client.post("/process", json=body(f"{USER}/1.jpg"))
            empty = await client.post("/process", json=body(f"{USER}/2.jpg"))
        assert (large.status_code, empty.status_code) == (413, 422)
        assert "2001" in large.json()["detail"]

    async def test_new_photos_are_rate_limited_and_repeats_are_not(
        self, api_settings: ApiSettings, storage: Storage, consumer: PhotoConsumer
    ) -> None:
        """Coming back after a 504 must not lock anybody out."""
        for number in range(3):
            await upload(storage, path=f"{USER}/{number}.jpg")
        settings = quick(api_settings, photo_wait_seconds=5, rate_limit_photos_per_minute=1, rate_limit_photos_burst=2)
        app, client = client_of(settings)
        async with app.router.lifespan_context(app), client:
            statuses = [
                (await client.post("/process", json=body(f"{USER}/{number}.jpg"))).status_code
                for number in (0, 1, 2, 0, 1)
            ]
        assert statuses == [200, 200, 429, 200, 200]

    async def test_refused_tokens_are_rate_limited(self, api_settings: ApiSettings, sign: Any) -> None:
        """By address; whoever has a good token is let in, although a whole network shares the address."""
        app, client = client_of(quick(api_settings, rate_limit_auth_failures_per_minute=3))
        async with app.router.lifespan_context(app), client:
            bad = {"Authorization": "Bearer nonsense"}
            statuses = [(await client.post("/process", json=body(), headers=bad)).status_code for _ in range(5)]
            good = await client.post("/process", json=body(), headers=sign(USER))
        assert statuses == [401, 401, 401, 429, 429]
        assert good.status_code == 404, "it is let in, and has not uploaded anything"

    @pytest.mark.parametrize(
        "options",
        [
            {"mode": "remove"},
            {"pixelateSize": 4},
            {"pixelateSize": 51},
            {"blurStrength": 0},
            {"blurStrength": 30},
            {"blurStrength": 100},
            {"downscaleForDetection": 199},
            {"downscaleForDetection": 2001},
            {"downscaleForDetection": "many"},
        ],
    )
    async def test_options_have_bounds(self, client: httpx.AsyncClient, options: dict[str, Any]) -> None:
        """422, and the field is named as the client knows it."""
        answer = await client.post("/process", json=body(**options))
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", next(iter(options))]


async def left_behind(session: AsyncSession, storage: Storage) -> tuple[int, list[str]]:
    """Rows of photos and keys in the private bucket."""
    rows = (await session.execute(select(func.count()).select_from(Photo))).scalar_one()
    return rows, [info.key async for info in storage.list(ORIGINALS)]


class TestProcessFace:
    async def test_the_photo_comes_back_and_nothing_stays(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, session: AsyncSession
    ) -> None:
        """Any field name; options as fields; neither row nor object is left."""
        answer = await client.post(
            "/process-face", files={"photo": ("x.gif", b"a stall!", "image/gif")}, data={"mode": "blur"}
        )
        assert (answer.status_code, answer.headers["x-faces-detected"]) == (200, "1")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.content == b"\xff\xd8\xff a stall! blur same"
        assert await left_behind(session, storage) == (0, [])

    async def test_a_large_result_comes_whole_and_nothing_stays(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, session: AsyncSession
    ) -> None:
        """More than one chunk of it, with its length ahead."""
        photo = b"stall" * 150_000
        answer = await client.post("/process-face", files={"photo": photo})
        assert answer.content == b"\xff\xd8\xff " + photo + b" pixelate same"
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert await left_behind(session, storage) == (0, [])

    @pytest.mark.parametrize("content", ["fail:unsupported_format", "fail:too_many_pixels", "busy:imaging_unavailable"])
    async def test_nothing_stays_of_a_failure_either(
        self, client: httpx.AsyncClient, storage: Storage, consumer: PhotoConsumer, session: AsyncSession, content: str
    ) -> None:
        """The status of the failure, and nothing left."""
        answer = await client.post("/process-face", files={"file": content.encode()})
        assert answer.status_code == STATUSES[FailureCode(content.partition(":")[2])]
        assert await left_behind(session, storage) == (0, [])

    async def test_a_timeout_leaves_nothing_to_come_back_to(
        self, api_settings: ApiSettings, storage: Storage, consumer: PhotoConsumer, session: AsyncSession
    ) -> None:
        """504; the job that is still running finds no photo to finish."""
        app, client = client_of(quick(api_settings))
        async with app.router.lifespan_context(app), client:
            answer = await client.post("/process-face", files={"file": b"wait!"})
            consumer.release.set()
        assert answer.status_code == 504
        rows, _ = await left_behind(session, storage)
        assert rows == 0

    async def test_accept_decides_the_format(self, client: httpx.AsyncClient, consumer: PhotoConsumer) -> None:
        """What imaging is asked for; each browser's header asks for no conversion."""
        answer = await client.post("/process-face", files={"file": b"x"}, headers={"Accept": "image/jpeg"})
        assert answer.content.endswith(b"pixelate jpeg")

    @pytest.mark.parametrize(
        ("accept", "output"),
        [
            (None, "same"),
            ("*/*", "same"),
            ("image/jpeg", "jpeg"),
            ("IMAGE/JPEG;q=0.9, */*;q=0.1", "jpeg"),
            ("image/avif,image/webp,image/jpeg,*/*;q=0.8", "same"),
            ("text/html", "same"),
            ("application/json, image/jpeg", "jpeg"),
        ],
    )
    def test_negotiation(self, accept: str | None, output: str) -> None:
        """JPEG for those who want it before any other image."""
        assert negotiate(accept) == output

    @pytest.mark.parametrize(
        ("request_parts", "status"),
        [
            ({"json": {"file": "x"}}, 415),
            ({"content": b"x"}, 415),
            ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400),
            ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400),
            ({"content": b"--b\r\nnonsense", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422),
            ({"files": {"note": (None, "no file")}}, 422),
            ({"files": {"file": b""}}, 422),
            ({"files": {"file": b"x"}, "data": {"blurStrength": "30"}}, 422),
            ({"files": {f"f{n}": b"x" for n in range(9)}}, 400),
        ],
    )
    async def test_forms_that_are_none(
        self, client: httpx.AsyncClient, request_parts: dict[str, Any], status: int
    ) -> None:
        """Each mistake is told, and none is a fault."""
        answer = await client.post("/process-face", **request_parts)
        assert answer.status_code == status, answer.text

    async def test_too_many_bytes(self, api_settings: ApiSettings) -> None:
        """Both over the whole body and over the file alone."""
        app, client = client_of(quick(api_settings, max_photo_bytes=2000))
        async with app.router.lifespan_context(app), client:
            file = await client.post("/process-face", files={"file": b"x" * 2001})
            whole = await client.post("/process-face", files={"file": b"x" * 200_000})
        assert (file.status_code, whole.status_code) == (413, 413)


class TestFiles:
    async def test_originals_are_private(self, client: httpx.AsyncClient, storage: Storage) -> None:
        """Their public address answers as if they did not exist."""
        await upload(storage, path=f"{USER}/1.jpg")
        for path in (f"stall-photos/{USER}/1.jpg", f"stall-photos-processed/../stall-photos/{USER}/1.jpg"):
            assert (await client.get(f"/storage/v1/object/public/{path}")).status_code == 404

    async def test_a_signed_link_reads_until_it_expires(self, client: httpx.AsyncClient, storage: Storage) -> None:
        """And only the object it names."""
        await upload(storage, "secret", f"{USER}/1.jpg")
        good = httpx.URL(await storage.signed_url(ORIGINALS, f"{USER}/1.jpg", timedelta(minutes=1)))
        old = httpx.URL(await storage.signed_url(ORIGINALS, f"{USER}/1.jpg", timedelta(seconds=-1)))
        fetched = await client.get(good.raw_path.decode())
        assert (fetched.status_code, fetched.content) == (200, b"secret")
        assert fetched.headers["cache-control"] == "private, no-store"
        assert (await client.get(old.raw_path.decode())).status_code == 403
        assert (await client.get(good.raw_path.decode().replace("1.jpg", "2.jpg"))).status_code == 403


class TestRoutes:
    async def test_storage_down_is_a_503(self, api_settings: ApiSettings, engine: AsyncEngine) -> None:
        """Nothing is written, nothing of the inside is told."""
        app, client = client_of(quick(api_settings, storage_dir="/proc/no-such-place"))
        async with app.router.lifespan_context(app), client:
            sent = await client.post("/process-face", files={"file": b"x"})
        assert sent.status_code == 503
        assert "proc" not in sent.text
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM photos")) == 0
