"""Providers that are unlike Google: Facebook without identity tokens, Apple with a key instead of a secret."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from loppestars_core.sign_in.openid import ProviderClient, ProviderUnavailable, SignInRefused
from loppestars_core.sign_in.providers import APPLE, AppleKey, Endpoints, apple, facebook
from loppestars_core.sign_in.signing import SigningKeys, SigningKeyUnusable, new_key

CALLBACK = "https://fair.example/auth/v1/callback"


class Graph:
    """Facebook's two addresses; `me` is what it says of whoever signed in."""

    def __init__(self) -> None:
        self.me: Any = {}
        self.forms: list[dict[str, list[str]]] = []
        self.headers: list[str] = []
        graph = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                graph.forms.append(parse_qs(body))
                good = graph.forms[-1]["code"] == ["good"]
                answer = {"access_token": "a-token", "token_type": "bearer"} if good else {"error": "invalid_grant"}
                self._send(200 if good else 400, answer)

            def do_GET(self) -> None:
                graph.headers.append(self.headers["Authorization"])
                self._send(302 if graph.me == "redirect" else 200, graph.me)

            def _send(self, status: int, content: object) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def graph() -> Iterator[Graph]:
    """Facebook's addresses on loopback."""
    found = Graph()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def client(graph: Graph) -> ProviderClient:
    """What signs in with them."""
    endpoints = Endpoints(f"{graph.url}/dialog", f"{graph.url}/token", f"{graph.url}/keys", f"{graph.url}/me?fields=id")
    return ProviderClient(
        replace(facebook(("app",), "secret"), endpoints=endpoints, address=graph.url), CALLBACK, timeout=2
    )


class TestFacebook:
    async def test_person(self, graph: Graph, client: ProviderClient) -> None:
        """People are read from the Graph by the token that the code was exchanged for."""
        graph.me = {
            "id": "17",
            "name": "Visitor",
            "email": "visitor@example.org",
            "picture": {"data": {"url": "https://cdn.example/p.jpg"}},
        }
        person = await client.person("good", "nonce", "v" * 50)
        assert (person.provider, person.subject, person.email) == ("facebook", "17", "visitor@example.org")
        assert person.claims["avatar_url"] == "https://cdn.example/p.jpg"
        assert graph.headers == ["Bearer a-token"]
        form = graph.forms[0]
        assert (form["code_verifier"], form["client_secret"], form["redirect_uri"]) == (
            ["v" * 50],
            ["secret"],
            [CALLBACK],
        )

    async def test_page(self, client: ProviderClient) -> None:
        """Its page gets a challenge of ours, not the verifier."""
        asked = parse_qs(urlsplit(await client.authorization_url("state", "nonce", "v" * 50, {})).query)
        assert asked["scope"] == ["email public_profile"]
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["code_challenge"] != ["v" * 50]

    async def test_refusals(self, graph: Graph, client: ProviderClient) -> None:
        """A code that it does not know, nobody in its answer, and an answer that leads elsewhere."""
        with pytest.raises(SignInRefused):
            await client.person("bad", "nonce", "v" * 50)
        for me in ({}, {"id": 17}, {"id": ""}):
            graph.me = me
            with pytest.raises(SignInRefused):
                await client.person("good", "nonce", "v" * 50)
        for me in ("redirect", [1]):
            graph.me = me
            with pytest.raises(ProviderUnavailable):
                await client.person("good", "nonce", "v" * 50)


class TestApple:
    def test_secret(self) -> None:
        """Its secret is a short-lived token that we sign for it."""
        key = new_key()
        provider = apple(("dk.loppestars.web",), AppleKey("TEAM", "KEY", key))
        secret = provider.secret()
        public = next(iter(SigningKeys(key).document["keys"]))
        claims = jwt.decode(secret, jwt.PyJWK(public), ["ES256"], audience=APPLE)
        assert (claims["iss"], claims["sub"]) == ("TEAM", "dk.loppestars.web")
        assert jwt.get_unverified_header(secret)["kid"] == "KEY"

    async def test_form(self) -> None:
        """It answers with a form, or it would not give names and addresses."""
        assert ("response_mode", "form_post") in apple(("x",), "s").parameters


class TestSigningKeys:
    @pytest.mark.parametrize(
        "pem", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "-----BEGIN X-----"]
    )
    def test_unusable(self, pem: str) -> None:
        """A key that cannot sign is refused at start, and not repeated."""
        with pytest.raises(SigningKeyUnusable):
            SigningKeys(pem)

    def test_one_line(self) -> None:
        """Line ends that were written out are accepted; the id of a key is its thumbprint."""
        key = new_key()
        assert SigningKeys(key.replace("\n", "\\n")).document == SigningKeys(key).document
