"""The API against the test's own database and a folder as storage, in process."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings

SECRET = "a-secret-of-at-least-thirty-two-bytes"


@pytest.fixture
def api_settings(database_url: str, tmp_path: Path) -> ApiSettings:
    return ApiSettings(
        database_url=SecretStr(database_url),
        storage_dir=str(tmp_path / "storage"),
        signing_secret=SecretStr("signs-links-in-tests"),
        jwt_secret=SecretStr(SECRET),
        database_pool_size=5,
    )


@pytest.fixture
async def client(api_settings: ApiSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running API."""
    app = create_app(api_settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield client
