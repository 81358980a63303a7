"""The documentation works without internet, and says what the API does."""

import re

import httpx
import pytest

REFERENCE = re.compile(r"""(?:src|href|url)\s*[=:]\s*['"]([^'"]+)['"]""")


class TestPages:
    @pytest.mark.parametrize("page", ["/docs", "/redoc"])
    async def test_everything_comes_from_here(self, client: httpx.AsyncClient, page: str) -> None:
        """Each reference of the page is a path of ours, and resolves."""
        html = (await client.get(page)).text
        references = [found for found in REFERENCE.findall(html) if not found.startswith("data:")]
        assert len(references) >= 2
        for reference in references:
            assert reference.startswith("/")
            assert not reference.startswith("//")
            answer = await client.get(reference)
            assert answer.status_code == 200
            assert len(answer.content) > 100
        assert "http://" not in html
        assert "https://" not in html

    async def test_scripts_load_nothing_from_elsewhere(self, client: httpx.AsyncClient) -> None:
        """ReDoc's own logo, which it fetches from its makers by default, lies beside its page."""
        script = (await client.get("/docs-assets/redoc/redoc.standalone.js")).text
        assert "cdn.redoc.ly" not in script
        assert (await client.get("/redoc/logo-mini.svg")).status_code == 200


class TestOpenApi:
    async def test_errors_are_documented_with_their_shape(self, client: httpx.AsyncClient) -> None:
        """Each operation that can be limited or fail says so, and none shows FastAPI's own error model."""
        document = (await client.get("/openapi.json")).json()
        assert "HTTPValidationError" not in str(document["paths"])
        lists = document["paths"]["/markets/nearby"]["get"]["responses"]
        assert {"200", "304", "422", "429", "503"} <= set(lists)
        assert "Retry-After" in lists["429"]["headers"]

    async def test_the_market_has_its_keys_in_order(self, client: httpx.AsyncClient) -> None:
        """Clients rely on them."""
        document = (await client.get("/openapi.json")).json()
        keys = list(document["components"]["schemas"]["MarketResponse"]["properties"])
        assert len(keys) == 31
        assert (keys[0], keys[-1]) == ("id", "distance")
        assert document["components"]["schemas"]["MarketResponse"]["required"] == keys
