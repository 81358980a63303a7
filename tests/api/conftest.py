"""The API against the test's own database and a folder as storage, in process."""

import os
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
from loppestars_api.main import main
from loppestars_api.settings import ApiSettings
from loppestars_core.sign_in.signing import new_key
from loppestars_core.storage import Storage, open_storage
from loppestars_local.openid.provider import CLIENT_ID, LocalProvider
from loppestars_local.openid.server import ProviderServer
from tests.factories.forked import ForkedProcess
from tests.factories.phone import REDIRECT, Phone
from tests.factories.photo_consumer import PhotoConsumer, consuming
from tests.factories.running_api import RunningApi

SECRET = "a-secret-of-at-least-thirty-two-bytes"
PUBLIC = "http://api.test"
ANON_KEY = "sb_publishable_of_tests"
SIGNING_KEY = new_key()
PROVIDER_SECRET = "secret-of-the-local-provider"


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
        output = tmp_path / f"output-{len(started)}"
        process = ForkedProcess(main, output, ["loppestars-api"], environment)
        api = RunningApi(process, output)
        started.append(api)
        deadline = time.monotonic() + 30
        while not (found := [line for line in api.log() if line["event"] == "listening"]):
            assert process.poll() is None, api.log()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        api.port, api.metrics_port = found[0]["port"], found[0]["metrics_port"]
        while httpx.get(f"{api.url}/health", timeout=30).status_code != 200:
            time.sleep(0.05)
        return api

    yield run
    for api in started:
        if api.process.poll() is None:
            api.process.kill()
        api.process.wait()


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    """A real OpenID Connect provider on loopback."""
    with ProviderServer(LocalProvider(PROVIDER_SECRET, frozenset({f"{PUBLIC}/auth/v1/callback"}))) as server:
        yield server


@pytest.fixture
def auth_settings(api_settings: ApiSettings, provider: ProviderServer) -> ApiSettings:
    """Sign-in with stand-ins for Google and Facebook."""
    changes = {
        "public_url": PUBLIC,
        "anon_keys": (SecretStr(ANON_KEY),),
        "auth_signing_keys": SecretStr(SIGNING_KEY),
        "auth_session_secrets": (SecretStr("s" * 32),),
        "rate_limit_auth_failures_per_minute": 0,
        "rate_limit_sign_ins_per_minute": 0,
        "auth_redirects": (REDIRECT, "https://fair.example/"),
        "auth_google_client_id": (CLIENT_ID, "the-app-on-ios"),
        "auth_google_client_secret": SecretStr(PROVIDER_SECRET),
        "auth_google_issuer": provider.url,
        "auth_facebook_client_id": (CLIENT_ID,),
        "auth_facebook_client_secret": SecretStr(PROVIDER_SECRET),
        "auth_facebook_issuer": provider.url,
    }
    return ApiSettings.model_validate({**api_settings.model_dump(), **changes})


@pytest.fixture
async def api(auth_settings: ApiSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running API."""
    app = create_app(auth_settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
            yield client


@pytest.fixture
def signing_key() -> str:
    """The private key of access tokens."""
    return SIGNING_KEY


@pytest.fixture
def phone(api: httpx.AsyncClient) -> Phone:
    """A phone on which nobody is signed in."""
    return Phone(api, ANON_KEY)


@pytest.fixture
def new_phone(api: httpx.AsyncClient) -> Callable[[], Phone]:
    """Further phones."""
    return lambda: Phone(api, ANON_KEY)
