"""The API against the test's own database and a folder as storage, in process."""

import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_core.storage import Storage, open_storage
from tests.factories.photo_consumer import PhotoConsumer, consuming
from tests.factories.running_api import COMMAND, RunningApi

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


@pytest.fixture
def storage(api_settings: ApiSettings) -> Storage:
    """The storage that the API uses."""
    return open_storage(api_settings)


@pytest.fixture
async def consumer(engine: AsyncEngine, storage: Storage, api_settings: ApiSettings) -> AsyncIterator[PhotoConsumer]:
    """Somebody who takes photos from the queue."""
    async with consuming(api_settings, PhotoConsumer(engine, storage)) as consumer:
        yield consumer


Sign = Callable[..., dict[str, str]]


@pytest.fixture
def sign() -> Sign:
    """Headers with a token of a subject."""

    def make(subject: str, **claims: Any) -> dict[str, str]:
        payload = {"sub": subject, "exp": int(time.time()) + 600, **claims}
        return {"Authorization": f"Bearer {jwt.encode(payload, SECRET, algorithm='HS256')}"}

    return make


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Callable[..., RunningApi]]:
    """Start the API with these further variables; it is stopped at the end."""
    started: list[RunningApi] = []

    def run(**variables: str) -> RunningApi:
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "STORAGE_DIR": str(tmp_path / "storage"),
            "METRICS_HOST": "127.0.0.1",
            "METRICS_PORT": "0",
            "PORT": "0",
            **variables,
        }
        output = (tmp_path / f"output-{len(started)}").open("w+b")
        process = subprocess.Popen(COMMAND, env=environment, stdout=output, stderr=subprocess.STDOUT)
        api = RunningApi(process, output, 0, 0)
        started.append(api)
        deadline = time.monotonic() + 30
        while not (found := [line for line in api.log() if line["event"] == "listening"]):
            assert process.poll() is None, api.log()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        api.port, api.metrics_port = found[0]["port"], found[0]["metrics_port"]
        while httpx.get(f"{api.url}/health").status_code != 200:
            time.sleep(0.05)
        return api

    yield run
    for api in started:
        if api.process.poll() is None:
            api.process.kill()
        api.process.wait()
        api.output.close()
