"""`/me`: the copy has everything, the request can be taken back, and afterwards nothing is left anywhere."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.kit.clock import now_utc
from loppestars_core.privacy.requests import due_for_erasure
from loppestars_core.storage import Storage, open_storage
from loppestars_jobs.privacy import erase_now
from loppestars_jobs.settings import JobsSettings
from tests.api.conftest import SECRET, Sign
from tests.factories.markets import add_market
from tests.factories.photo_consumer import PhotoConsumer
from tests.factories.running_api import RunningApi

ME, OTHER = "4f0c1f5e-6a0b-4c39-9a5e-3d1f6f3f9b11", "9d6b0a53-0d2a-4b53-8a3f-0c2e1b7f0a22"
EMAIL, PHONE = "mette.hansen@example.dk", "20304050"


async def fill(session: AsyncSession, storage: Storage, user: str = ME) -> None:
    """Give a user an e-mail address, a rating with a phone number and an uploaded photo."""
    market = await add_market(session)
    values = {"user": user, "email": EMAIL, "market": market, "phone": PHONE}
    for statement in (
        "UPDATE users SET email = :email, data = jsonb_build_object('name', 'Mette') WHERE id = :user",
        """INSERT INTO ratings (id, user_id, market_id, rating, rating_type, mobilepay_phone, comment)
           SELECT gen_random_uuid(), :user, CAST(:market AS uuid), 7, 'market', :phone, :email""",
    ):
        await session.execute(text(statement), values)
    await session.commit()
    await storage.put("stall-photos", f"{user}/1.jpg", b"original", "image/jpeg")


async def tables_with(session: AsyncSession, words: tuple[str, ...]) -> set[str]:
    """The tables, the queue's too, in which a row has one of the words anywhere."""
    names = await session.execute(
        text("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')")
    )
    found = set()
    for name in names.scalars().all():
        rows = text(f"SELECT EXISTS (SELECT FROM {name} AS r WHERE r::text LIKE ANY(:words))")  # noqa: S608 - our own names
        if (await session.execute(rows, {"words": [f"%{word}%" for word in words]})).scalar_one():
            found.add(name)
    return found


class TestMe:
    async def test_account(self, client: httpx.AsyncClient, sign: Sign) -> None:
        """Who is signed in; without a token nobody is."""
        found = (await client.get("/me", headers=sign(ME))).json()
        assert (found["id"], found["email"], found["roles"], found["erasure"]) == (ME, None, [], None)
        assert (await client.get("/me")).status_code == 401
        assert (await client.delete("/me")).status_code == 401

    async def test_consents(self, client: httpx.AsyncClient, sign: Sign) -> None:
        """The newest word of each kind holds, every one is kept; unknown kinds and odd versions are refused."""
        for version, given in (("1", True), ("2", True), ("2", False)):
            answer = await client.put("/me/consents/terms", json={"version": version, "given": given}, headers=sign(ME))
            assert answer.status_code == 200
        consents = (await client.get("/me/consents", headers=sign(ME))).json()
        assert [(found["kind"], found["version"], found["given"]) for found in consents] == [("terms", "2", False)]
        assert (await client.get("/me/consents", headers=sign(OTHER))).json() == []
        bad = [("terms", {"version": "\x00", "given": True}), ("soul", {"version": "1", "given": True})]
        for kind, body in bad:
            assert (await client.put(f"/me/consents/{kind}", json=body, headers=sign(ME))).status_code == 422

    async def test_change_of_mind(
        self, client: httpx.AsyncClient, sign: Sign, session: AsyncSession, consumer: PhotoConsumer, storage: Storage
    ) -> None:
        """Photos are hidden at once and everything else refuses the token; taking it back brings all of it back."""
        await client.get("/me", headers=sign(ME))
        await fill(session, storage)
        body = {"imagePath": f"{ME}/1.jpg", "userId": ME}
        photo = (await client.post("/process", json=body, headers=sign(ME))).json()["processedImageUrl"]
        path = httpx.URL(photo).path
        assert (await client.get(path)).status_code == 200
        answer = await client.delete("/me", headers=sign(ME))
        assert answer.status_code == 202
        asked = answer.json()["erasure"]
        assert asked == (await client.delete("/me", headers=sign(ME))).json()["erasure"]
        assert (await client.get(path)).status_code == 410
        assert (await client.post("/process", json=body, headers=sign(ME))).status_code == 401
        assert (await client.post("/process", json=body)).status_code == 410
        fresh = {"imagePath": f"{ME}/2.jpg", "userId": ME}
        await storage.put("stall-photos", f"{ME}/2.jpg", b"original", "image/jpeg")
        assert (await client.post("/process", json=fresh)).status_code == 403
        assert (await client.get("/me", headers=sign(ME))).json()["erasure"] == asked
        assert (await client.delete("/me/erasure", headers=sign(ME))).json()["erasure"] is None
        assert (await client.get(path)).status_code == 200
        assert (await client.post("/process", json=body, headers=sign(ME))).status_code == 200

    async def test_export(self, client: httpx.AsyncClient, sign: Sign, session: AsyncSession, storage: Storage) -> None:
        """One ZIP with rows and photos, also for an account that is being deleted; not for others, not without end."""
        await client.get("/me", headers=sign(ME))
        await fill(session, storage)
        await client.delete("/me", headers=sign(ME))
        answer = await client.get("/me/export", headers=sign(ME))
        assert answer.headers["content-type"] == "application/zip"
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        data = json.loads(archive.read("data.json"))
        assert (data["users"][0]["email"], data["ratings"][0]["mobilepay_phone"]) == (EMAIL, PHONE)
        assert data["erasure_requests"][0]["channel"] == "app"
        assert archive.read(f"stall-photos/{ME}/1.jpg") == b"original"
        theirs = await client.get("/me/export", headers=sign(OTHER))
        assert ME.encode() not in theirs.content
        statuses = [(await client.get("/me/export", headers=sign(ME))).status_code for _ in range(6)]
        assert statuses[-1] == 429


class TestNothingLeft:
    async def test_after_the_grace(  # noqa: PLR0913, PLR0917 - every part of the platform
        self,
        start: Callable[..., RunningApi],
        sign: Sign,
        session: AsyncSession,
        engine: AsyncEngine,
        database_url: str,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """Id, e-mail and phone are in no table but the audit log, in no bucket, and in no log line."""
        api = start(JWT_SECRET=SECRET, SIGNING_SECRET="signs-links-in-tests", RATE_LIMIT_EXPORTS_PER_MINUTE="0")
        settings = JobsSettings(database_url=database_url, storage_dir=str(tmp_path / "storage"))  # type: ignore[arg-type]
        storage = open_storage(settings)
        async with httpx.AsyncClient(base_url=api.url) as client:
            await client.get("/me", headers=sign(ME))
            await fill(session, storage)
            await client.put("/me/consents/terms", json={"version": "1", "given": True}, headers=sign(ME))
            await client.get(f"/storage/v1/object/public/stall-photos-processed/{ME}/x.jpg")
            export = zipfile.ZipFile(io.BytesIO((await client.get("/me/export", headers=sign(ME))).content))
            assert all(word in export.read("data.json").decode() for word in (ME, EMAIL, PHONE))
            await client.delete("/me", headers=sign(ME))
        words = (ME, EMAIL, PHONE)
        assert {"users", "ratings", "erasure_requests", "domain_events"} <= await tables_with(session, words)
        await session.rollback()
        assert await due_for_erasure(session, now_utc() + timedelta(days=31), timedelta(days=30)) == [ME]
        await session.rollback()
        await erase_now(settings, engine, storage, ME)
        assert await tables_with(session, words) == {"audit_log"}
        assert await tables_with(session, (EMAIL, PHONE)) == set()
        assert [path for path in (tmp_path / "storage").rglob("*") if path.is_file()] == []
        log = json.dumps(api.log()) + "".join(capfd.readouterr())
        assert "request" in log
        assert [word for word in words if word in log] == []
