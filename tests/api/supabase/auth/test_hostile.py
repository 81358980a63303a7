"""Attacks on signing in. Each is refused in GoTrue's form, and nothing is given away."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from loppestars_local.openid.people import PEOPLE
from loppestars_local.openid.provider import CLIENT_ID, LocalProvider
from loppestars_local.openid.server import ProviderServer
from tests.factories.phone import REDIRECT, Phone, challenge_of, fragment

PREFIXES = ("/auth/v1/user", "/rest/v1/ratings?select=id", "/me/sessions")


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """Check that an answer is a refusal as GoTrue words it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["x-supabase-api-version"] == "2024-01-01"
    assert set(answer.json()) == {"code", "message"}
    assert answer.json()["code"] == code


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


class Forger:
    """Makes access tokens out of a good one, without its key."""

    def __init__(self, token: str, signing_key: str) -> None:
        self.token = token
        self.head = jwt.get_unverified_header(token)
        self.claims = claims_of(token)
        self.key: Any = load_pem_private_key(signing_key.encode(), None)

    def unsigned(self, algorithm: str) -> str:
        return f"{encoded({**self.head, 'alg': algorithm})}.{encoded(self.claims)}."

    def tampered(self, **changes: Any) -> str:
        _, _, signature = self.token.split(".")
        return f"{encoded(self.head)}.{encoded({**self.claims, **changes})}.{signature}"

    def confused(self) -> str:
        """Return a token whose secret is our public key."""
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        signed = f"{encoded({**self.head, 'alg': 'HS256'})}.{encoded(self.claims)}"
        mac = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).rstrip(b"=").decode()
        return f"{signed}.{mac}"

    def by_another_key(self, **head: Any) -> str:
        return jwt.encode(self.claims, ec.generate_private_key(ec.SECP256R1()), "ES256", {**self.head, **head})

    def ours(self, **changes: Any) -> str:
        """Return a token with our signature, as a mistake of ours could make it."""
        kept = {name: value for name, value in {**self.claims, **changes}.items() if value is not None}
        return jwt.encode(kept, self.key, "ES256", {"kid": self.head["kid"]})

    def forged(self) -> list[str]:
        """Return every forgery."""
        return [
            self.unsigned("none"),
            self.unsigned("None"),
            self.unsigned("ES256"),
            self.tampered(sub="local-admin"),
            self.tampered(exp=int(time.time()) + 10**6),
            self.confused(),
            self.by_another_key(),
            self.by_another_key(kid="another"),
            self.by_another_key(jwk={"kty": "EC"}, jku="https://evil.example/keys"),
            self.ours(aud="another"),
            self.ours(aud=None),
            self.ours(iss="https://evil.example"),
            self.ours(iss=None),
            self.ours(exp=int(time.time()) - 60),
            self.ours(exp=None),
            self.ours(session_id=None),
            self.ours(session_id="x' OR 1=1 --"),
            self.token[:-4],
            "",
        ]


def bearer(phone: Phone, token: str) -> dict[str, str]:
    return {**phone.headers, "Authorization": f"Bearer {token}"}


class TestAccessToken:
    async def test_forged(self, phone: Phone, api: httpx.AsyncClient, signing_key: str) -> None:
        """`alg: none`, key confusion, tampering, another key, audience, issuer, times: 401 on every prefix."""
        await phone.sign_in()
        forger = Forger(phone.session["access_token"], signing_key)
        assert (await api.get(PREFIXES[0], headers=bearer(phone, forger.ours()))).status_code == 200
        for number, token in enumerate(forger.forged()):
            for path in PREFIXES:
                assert (await api.get(path, headers=bearer(phone, token))).status_code == 401, (number, path)
            refused(await api.get(PREFIXES[0], headers=bearer(phone, token)), 401, "bad_jwt")

    async def test_session_of_another(
        self, phone: Phone, new_phone: Callable[[], Phone], api: httpx.AsyncClient, signing_key: str
    ) -> None:
        """A session vouches for its own user only."""
        other = new_phone()
        await phone.sign_in("visitor")
        await other.sign_in("stranger")
        session_id = claims_of(other.session["access_token"])["session_id"]
        token = Forger(phone.session["access_token"], signing_key).ours(session_id=session_id)
        refused(await api.get("/auth/v1/user", headers=bearer(phone, token)), 403, "session_not_found")

    async def test_no_key(self, phone: Phone, api: httpx.AsyncClient) -> None:
        """A token without a key of the app, and a wrong key, are 401."""
        await phone.sign_in()
        token = {"Authorization": phone.headers["Authorization"]}
        refused(await api.get("/auth/v1/user", headers=token), 401, "no_authorization")
        refused(await api.get("/auth/v1/user", headers={**token, "apikey": "wrong"}), 401, "bad_jwt")
        refused(await api.post("/auth/v1/token?grant_type=refresh_token", json={}), 401, "no_authorization")
        refused(await Phone(api, phone.key).ask("GET", "user"), 401, "no_authorization")

    async def test_refresh_token_as_bearer(self, phone: Phone, api: httpx.AsyncClient) -> None:
        """A refresh token signs nobody in."""
        await phone.sign_in()
        headers = bearer(phone, phone.session["refresh_token"])
        refused(await api.get("/auth/v1/user", headers=headers), 401, "bad_jwt")


class TestRefreshToken:
    async def test_theft(self, phone: Phone, new_phone: Callable[[], Phone]) -> None:
        """A token that was used two refreshes ago is a thief's: the session ends for both."""
        await phone.sign_in()
        stolen = phone.session["refresh_token"]
        await phone.refresh()
        await phone.refresh()
        thief = new_phone()
        refused(await thief.refresh(stolen), 400, "refresh_token_already_used")
        refused(await phone.refresh(), 400, "refresh_token_not_found")
        assert (await phone.ask("GET", "user")).status_code == 403

    async def test_every_character(self, phone: Phone) -> None:
        """A token is good as a whole: session, counter and MAC."""
        await phone.sign_in()
        token = phone.session["refresh_token"]
        for place in range(len(token)):
            changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            refused(await phone.refresh(changed), 400, "refresh_token_not_found")
        assert (await phone.refresh(token)).status_code == 200

    async def test_nonsense(self, phone: Phone) -> None:
        """What is not a token is refused."""
        for token in [
            "x",
            "x" * 48,
            "x" * 9000,
            "' OR 1=1 --",
            "é" * 48,
            "\x00",
            "AAAA" * 12 + "=",
            "AAAA" * 12 + "\n",
        ]:
            answer = await phone.token("refresh_token", refresh_token=token)
            refused(answer, 400, "validation_failed" if len(token) > 8192 else "refresh_token_not_found")

    async def test_mixed_sessions(self, phone: Phone, new_phone: Callable[[], Phone]) -> None:
        """The session of one token and the MAC of another make no token."""
        other = new_phone()
        await phone.sign_in()
        await other.sign_in()
        mixed = phone.session["refresh_token"][:27] + other.session["refresh_token"][27:]
        refused(await phone.token("refresh_token", refresh_token=mixed), 400, "refresh_token_not_found")

    async def test_odd_bodies(self, phone: Phone) -> None:
        """Any body gets an answer about it."""
        for body in [b"", b"[]", b"{", b"null", b'{"refresh_token": 7}', b'{"refresh_token": null}']:
            answer = await phone.ask("POST", "token?grant_type=refresh_token", content=body)
            assert answer.status_code == 400
            assert answer.json()["code"] in {"bad_json", "validation_failed"}

    async def test_other_grants(self, phone: Phone) -> None:
        """There are no passwords here."""
        for grant in ["", "password", "client_credentials", "refresh_token2"]:
            refused(await phone.token(grant, email="a@example.org", password="x"), 400, "unsupported_grant_type")


UNREGISTERED = [
    "https://evil.example/",
    "https://evil.example/?https://fair.example/",
    "https://fair.example@evil.example/",
    "https://fair.example:444/",
    "https://fair.example.evil.example/",
    "https://fair.example/other",
    "https://fair.example/../",
    "https://fair.example\\@evil.example/",
    "https://evil.example\\.fair.example/",
    "https://fair.example/#access_token=x",
    "http://fair.example/",
    "//evil.example/",
    "/path",
    "fair.example",
    "javascript:alert(1)",
    "javascript://fair.example/%0aalert(1)",
    "data:text/html,x",
    "loppestars://auth/callback/",
    "loppestars://auth/callback@evil.example",
    "loppestars://evil/callback",
    "loppestars://auth%2Fcallback",
    "loppestars:auth/callback",
    "loppestars://auth/callback\r\nSet-Cookie: x=1",
    " loppestars://auth/callback",
    "loppestars://auth/callback\x00",
    "l\u043eppestars://auth/callback",
    "https://fair.example/?" + "x" * 3000,
]


class TestRedirect:
    async def test_unregistered(self, api: httpx.AsyncClient) -> None:
        """Tokens go to registered addresses only; nobody is even sent to the provider."""
        for address in UNREGISTERED:
            query = urlencode({"provider": "google", "redirect_to": address})
            refused(await api.get(f"/auth/v1/authorize?{query}"), 400, "validation_failed")

    async def test_provider(self, api: httpx.AsyncClient) -> None:
        """A provider that is not configured is refused."""
        for name in ("apple", "github", "", "../google"):
            answer = await api.get(f"/auth/v1/authorize?{urlencode({'provider': name})}")
            refused(answer, 400, "provider_disabled")

    async def test_hints(self, api: httpx.AsyncClient, provider: ProviderServer) -> None:
        """What an app says to the provider's page replaces nothing of what we say."""
        evil = {"client_id": "evil", "state": "evil", "nonce": "evil", "redirect_uri": "https://evil.example/"}
        query = urlencode({"provider": "google", "redirect_to": REDIRECT, "response_type": "token", **evil})
        asked = urlsplit((await api.get(f"/auth/v1/authorize?{query}")).headers["location"])
        found = parse_qs(asked.query)
        assert f"{asked.scheme}://{asked.netloc}" == provider.url
        assert found["client_id"] == [CLIENT_ID]
        assert found["response_type"] == ["code"]
        assert found["redirect_uri"] == ["http://api.test/auth/v1/callback"]
        assert "evil" not in asked.query


class TestState:
    async def test_forged(self, api: httpx.AsyncClient) -> None:
        """A state that we did not give leads nowhere."""
        for state in ["", "x", "' OR 1=1 --", str(uuid4()), "../../callback"]:
            answer = await api.get("/auth/v1/callback?" + urlencode({"state": state, "code": "x"}))
            refused(answer, 400, "bad_oauth_state")

    async def test_twice(self, phone: Phone, api: httpx.AsyncClient) -> None:
        """A state is good once."""
        address = await phone.at_provider("visitor")
        await phone.back(address)
        refused(await api.get(address), 400, "bad_oauth_state")

    async def test_code_of_another(self, phone: Phone) -> None:
        """The code of one sign-in in the answer of another signs nobody in: the provider knows its own."""
        mine, theirs = await phone.at_provider("visitor"), await phone.at_provider("victim")
        code = parse_qs(urlsplit(theirs).query)["code"][0]
        state = parse_qs(urlsplit(mine).query)["state"][0]
        back = await phone.back("/auth/v1/callback?" + urlencode({"state": state, "code": code}))
        assert fragment(back)["error_code"] == "bad_oauth_callback"
        assert "access_token" not in back


class TestCode:
    async def test_reuse(self, phone: Phone) -> None:
        """A code is good once, also with the right verifier; the session of its owner goes on."""
        code, verifier = await phone.code()
        phone.session = (await phone.token("pkce", auth_code=code, code_verifier=verifier)).json()
        again = await phone.token("pkce", auth_code=code, code_verifier=verifier)
        refused(again, 400, "flow_state_not_found")
        assert (await phone.refresh()).status_code == 200

    async def test_stolen(self, phone: Phone) -> None:
        """A code without its verifier is worth nothing, and stays good for whoever has it."""
        code, verifier = await phone.code()
        for wrong in ("x" * 56, verifier[:-1], verifier.upper(), challenge_of(verifier)):
            answer = await phone.token("pkce", auth_code=code, code_verifier=wrong)
            refused(answer, 400, "flow_state_not_found")
        refused(await phone.token("pkce", auth_code=code, code_verifier=""), 400, "validation_failed")
        assert (await phone.token("pkce", auth_code=code, code_verifier=verifier)).status_code == 200

    async def test_verifier_of_another(self, phone: Phone, new_phone: Callable[[], Phone]) -> None:
        """Two sign-ins do not mix."""
        code, _ = await phone.code("victim")
        _, verifier = await new_phone().code("visitor")
        refused(await phone.token("pkce", auth_code=code, code_verifier=verifier), 400, "flow_state_not_found")

    async def test_challenges(self, api: httpx.AsyncClient) -> None:
        """A challenge that protects nothing is refused; without one there is no silent fall back to the other flow."""
        for query in [
            {"code_challenge": "short", "code_challenge_method": "s256"},
            {"code_challenge": "x" * 129, "code_challenge_method": "s256"},
            {"code_challenge": "x" * 43, "code_challenge_method": "s512"},
            {"code_challenge": "", "code_challenge_method": "s256"},
            {"code_challenge": "é" * 43, "code_challenge_method": "plain"},
        ]:
            given = urlencode({"provider": "google", "redirect_to": REDIRECT, **query})
            refused(await api.get(f"/auth/v1/authorize?{given}"), 400, "validation_failed")


# Changed claims, and the nonce that the app sends.
IDENTITY_CLAIMS: list[tuple[dict[str, Any], str | None]] = [
    ({"aud": "another-client"}, None),
    ({"aud": None}, None),
    ({"iss": "https://evil.example"}, None),
    ({"exp": int(time.time()) - 3600}, None),
    ({"exp": None}, None),
    ({"sub": None}, None),
    ({"sub": ""}, None),
    ({"sub": "x" * 300}, None),
    ({"sub": "a\nb"}, None),
    ({"nonce": "another"}, "mine"),
    ({"nonce": "mine"}, "mine"),
    ({"nonce": "mine"}, None),
    ({}, "mine"),
]


class TestIdentityToken:
    async def test_claims(self, phone: Phone, provider: ProviderServer) -> None:
        """Audience, issuer, times, subject and nonce have to be right; the nonce is in there as its hash."""
        for changes, nonce in IDENTITY_CLAIMS:
            token = provider.provider.id_token(PEOPLE[0], **changes)
            body = {"provider": "google", "id_token": token, **({"nonce": nonce} if nonce else {})}
            refused(await phone.token("id_token", **body), 400, "bad_jwt")

    async def test_nonce(self, phone: Phone, provider: ProviderServer) -> None:
        """The right nonce signs in."""
        token = provider.provider.id_token(PEOPLE[0], nonce=hashlib.sha256(b"mine").hexdigest())
        assert (await phone.token("id_token", provider="google", id_token=token, nonce="mine")).status_code == 200

    async def test_signature(self, phone: Phone, provider: ProviderServer) -> None:
        """Another provider's key, no algorithm and a changed subject are refused."""
        good = provider.provider.id_token(PEOPLE[0])
        head, body, signature = good.split(".")
        stranger = LocalProvider("another", frozenset())
        stranger.issuer = provider.url
        changed = encoded({**claims_of(good), "sub": "admin"})
        unsigned = encoded({**jwt.get_unverified_header(good), "alg": "none"})
        for token in (
            stranger.id_token(PEOPLE[0]),
            f"{unsigned}.{body}.",
            f"{head}.{changed}.{signature}",
            "a.b.c",
            "x",
        ):
            refused(await phone.token("id_token", provider="google", id_token=token), 400, "bad_jwt")
