"""Photos that a person pictured wants to be gone."""

import uuid
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.settings import ApiSettings
from loppestars_core.accounts.role import Role
from loppestars_core.accounts.roles import grant_role
from loppestars_core.accounts.users import ensure_user
from loppestars_core.storage import Storage
from tests.api.conftest import Sign
from tests.factories.photo_consumer import PhotoConsumer

OWNER, ADMIN = "owner", "moderator"


@pytest.fixture
async def photo(
    client: httpx.AsyncClient, session: AsyncSession, storage: Storage, consumer: PhotoConsumer
) -> tuple[str, str]:
    """The id and the path of a published photo; there is a moderator."""
    await ensure_user(session, ADMIN)
    await grant_role(session, ADMIN, Role.ADMIN, granted_by=None, notes="")
    await session.commit()
    await storage.put("stall-photos", f"{OWNER}/1.jpg", b"original", "image/jpeg")
    answer = await client.post("/process", json={"imagePath": f"{OWNER}/1.jpg", "userId": OWNER})
    identifier = (await session.execute(text("SELECT id FROM photos"))).scalar_one()
    await session.rollback()
    return str(identifier), httpx.URL(answer.json()["processedImageUrl"]).path


class TestTakedown:
    async def test_restored(
        self, client: httpx.AsyncClient, photo: tuple[str, str], sign: Sign, session: AsyncSession
    ) -> None:
        """Hidden at once; shown again by a moderator's decision, which no further request overrules."""
        identifier, path = photo
        asked = {"reason": "It is me", "contact": "me@example.dk"}
        assert (await client.post(f"/photos/{identifier}/takedown", json=asked)).status_code == 202
        assert (await client.get(path)).status_code == 410
        assert (await client.get("/takedowns", headers=sign(OWNER))).status_code == 403
        assert (await client.get("/takedowns")).status_code == 401
        (waiting,) = (await client.get("/takedowns", headers=sign(ADMIN))).json()
        assert (waiting["reason"], waiting["contact"]) == ("It is me", "me@example.dk")
        link = httpx.URL(waiting["photo_url"])
        assert (await client.get(link.raw_path.decode())).status_code == 200
        url = f"/takedowns/{waiting['id']}"
        assert (await client.post(url, json={"decision": "restore"}, headers=sign(OWNER))).status_code == 403
        assert (await client.post(url, json={"decision": "restore"}, headers=sign(ADMIN))).status_code == 204
        assert (await client.get(path)).status_code == 200
        assert (await client.post(url, json={"decision": "confirm"}, headers=sign(ADMIN))).status_code == 409
        assert (await client.post(f"/photos/{identifier}/takedown")).status_code == 202
        assert (await client.get(path)).status_code == 200
        rows = await session.execute(
            text("SELECT action, actor_id FROM audit_log WHERE subject_id = :id ORDER BY id"), {"id": identifier}
        )
        assert [tuple(row) for row in rows] == [
            ("photo.takedown_requested", None),
            ("photo.takedown_restored", ADMIN),
            ("photo.takedown_requested", None),
        ]
        assert (
            await session.execute(text("SELECT contact FROM takedowns WHERE state = 'restored'"))
        ).scalar_one() is None

    async def test_confirmed(
        self, client: httpx.AsyncClient, photo: tuple[str, str], sign: Sign, api_settings: ApiSettings
    ) -> None:
        """The bytes are gone, and the owner cannot publish the photo again by asking for other options."""
        identifier, path = photo
        await client.post(f"/photos/{identifier}/takedown")
        (waiting,) = (await client.get("/takedowns", headers=sign(ADMIN))).json()
        url = f"/takedowns/{waiting['id']}"
        assert (await client.post(url, json={"decision": "confirm"}, headers=sign(ADMIN))).status_code == 204
        bucket = Path(str(api_settings.storage_dir)) / api_settings.processed_bucket
        assert [found for found in bucket.rglob("*") if found.is_file()] == []
        again = {"imagePath": f"{OWNER}/1.jpg", "userId": OWNER, "mode": "blur"}
        assert (await client.post("/process", json=again, headers=sign(OWNER))).status_code == 410
        assert (await client.get(path)).status_code == 410

    async def test_by_address(self, client: httpx.AsyncClient, photo: tuple[str, str]) -> None:
        """By the address that people see, through the page's form; one that is unknown is said to be."""
        _, path = photo
        missing = await client.post("/privacy/takedown", data={"url": "http://api.test/x.jpg"})
        assert (missing.status_code, "form" in missing.text) == (404, True)
        assert (await client.post("/photos/takedown", json={"url": "nonsense"})).status_code == 404
        assert "Tak" in (await client.post("/privacy/takedown", data={"url": f"http://api.test{path}"})).text
        assert (await client.get(path)).status_code == 410

    async def test_unknown(self, client: httpx.AsyncClient) -> None:
        """Nothing says whether an id is one of a photo that was never published; guessing is limited."""
        statuses = [(await client.post(f"/photos/{uuid.uuid4()}/takedown")).status_code for _ in range(11)]
        assert (statuses[0], statuses[-1]) == (404, 429)
        assert (await client.post("/photos/x/takedown")).status_code == 429
