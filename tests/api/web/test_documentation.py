"""The documentation works without internet, and says what the API does."""

import re

import httpx
import jsonschema_rs
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

    async def test_titles_are_sentences(self, client: httpx.AsyncClient) -> None:
        """What a list of operations shows is a sentence, not a function's name."""
        document = (await client.get("/openapi.json")).json()
        titles = [operation["summary"] for item in document["paths"].values() for operation in item.values()]
        assert [title for title in titles if len(title.split()) < 2 or title.endswith(".")] == []

    async def test_everything_has_an_example(self, client: httpx.AsyncClient) -> None:
        """Each parameter has one that its schema takes; each error has a body."""
        document = (await client.get("/openapi.json")).json()
        for path, item in document["paths"].items():
            for method, operation in item.items():
                for parameter in operation.get("parameters", ()):
                    schema = {**parameter["schema"], "components": document["components"]}
                    assert jsonschema_rs.is_valid(schema, parameter["example"]), (path, parameter)
                for status, answer in operation["responses"].items():
                    content = answer.get("content", {}).get("application/json", {})
                    if int(status) >= 400 and "ErrorBody" in str(content.get("schema")):
                        assert content["example"]["request_id"], (path, method, status)

    async def test_who_serves_it(self, client: httpx.AsyncClient) -> None:
        """`Try it` goes to where the page came from; the licence is named."""
        document = (await client.get("/openapi.json")).json()
        assert document["servers"][0]["url"] == "/"
        assert document["info"]["license"]["identifier"] == "Apache-2.0"
