"""The API with a provider of this machine, and phones that sign in."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from pydantic import SecretStr

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_core.sign_in.signing import new_key
from loppestars_local.openid.provider import CLIENT_ID, LocalProvider
from loppestars_local.openid.server import ProviderServer
from tests.factories.phone import REDIRECT, Phone

API = "http://api.test"
KEY = "sb_publishable_of_tests"
SIGNING_KEY = new_key()
PROVIDER_SECRET = "secret-of-the-local-provider"


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderServer]:
    """A real OpenID Connect provider on loopback."""
    with ProviderServer(LocalProvider(PROVIDER_SECRET, frozenset({f"{API}/auth/v1/callback"}))) as server:
        yield server


@pytest.fixture
def auth_settings(api_settings: ApiSettings, provider: ProviderServer) -> ApiSettings:
    """Sign-in with stand-ins for Google and Facebook."""
    changes = {
        "public_url": API,
        "anon_keys": (SecretStr(KEY),),
        "auth_signing_keys": SecretStr(SIGNING_KEY),
        "auth_session_secrets": (SecretStr("s" * 32),),
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
        async with httpx.AsyncClient(transport=transport, base_url=API) as client:
            yield client


@pytest.fixture
def phone(api: httpx.AsyncClient) -> Phone:
    """A phone on which nobody is signed in."""
    return Phone(api, KEY)


@pytest.fixture
def new_phone(api: httpx.AsyncClient) -> Callable[[], Phone]:
    """Further phones."""
    return lambda: Phone(api, KEY)
