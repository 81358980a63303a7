"""Bearer tokens: what is accepted, and each way of forging one."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from loppestars_api.access.own_tokens import OwnTokens
from loppestars_api.access.tokens import TokenRefused, TokenVerifier
from loppestars_api.settings import AuthSettings
from loppestars_core.sign_in import issuer_keys as jwks
from loppestars_core.sign_in.issuer_keys import KeysUnavailable
from loppestars_core.sign_in.signing import SigningKeys, new_key

SECRET = "a-secret-of-at-least-thirty-two-bytes"


def claims(**other: Any) -> dict[str, Any]:
    # Parameters are made when the file is collected, which may be long before their test runs.
    return {"sub": "user-1", "exp": int(time.time()) + 3600, **other}


def hs256(payload: dict[str, Any], secret: str = SECRET, **headers: Any) -> str:
    return jwt.encode(payload, secret, algorithm="HS256", headers=headers)


def verifier(**settings: Any) -> TokenVerifier:
    return TokenVerifier(AuthSettings(jwt_secret=SECRET, **settings))


class TestSharedSecret:
    async def test_a_signed_token_gives_its_subject(self) -> None:
        """The plain case."""
        identity = await verifier().verify(hs256(claims()))
        assert (identity.subject, identity.roles) == ("user-1", frozenset())

    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            (claims(exp=int(time.time()) - 60), "expired"),
            (claims(nbf=int(time.time()) + 3000), "not valid yet"),
            ({"sub": "user-1"}, "required claim"),
            ({"exp": int(time.time()) + 3600}, "required claim"),
            (claims(sub="../other"), "not a user id"),
            (claims(sub="a/b"), "not a user id"),
            (claims(sub=""), "not a user id"),
            (claims(sub="user-1\n"), "not a user id"),
            (claims(sub="x" * 129), "not a user id"),
        ],
    )
    async def test_claims_are_checked(self, payload: dict[str, Any], reason: str) -> None:
        """A good signature is not enough."""
        with pytest.raises(TokenRefused, match=reason):
            await verifier().verify(hs256(payload))

    async def test_another_secret_is_refused(self) -> None:
        """The signature is really looked at."""
        with pytest.raises(TokenRefused, match="signature"):
            await verifier().verify(hs256(claims(), "another-secret-of-at-least-32-bytes!"))

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS384", "HS512", "PS256", "EdDSA", "", "RS256"])
    async def test_other_algorithms_are_refused(self, algorithm: str) -> None:
        """`alg: none` above all, in any spelling, with and without a signature."""
        head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).rstrip(b"=")
        body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
        signature = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), head + b"." + body, "sha256")).rstrip(b"=")
        for token in (head + b"." + body + b".", head + b"." + body + b"." + signature):
            with pytest.raises(TokenRefused):
                await verifier().verify(token.decode())

    @pytest.mark.parametrize("algorithm", [["HS256"], {"HS256": 1}, None, 256, True])
    async def test_an_algorithm_that_is_no_text_is_refused(self, algorithm: object) -> None:
        """The header is anybody's JSON: a list in it is a 401, not a fault of ours."""
        head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "k"}).encode()).rstrip(b"=").decode()
        with pytest.raises(TokenRefused):
            await verifier().verify(f"{head}.e30.c2ln")

    @pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 9000, "eyJhbGciOiJIUzI1NiJ9"])
    async def test_what_is_no_token_is_refused(self, token: str) -> None:
        """Nonsense is refused like everything else, never a fault."""
        with pytest.raises(TokenRefused):
            await verifier().verify(token)

    async def test_issuer_and_audience_are_checked_as_configured(self) -> None:
        """Each alone is required once it is configured."""
        strict = verifier(jwt_issuer="https://issuer.example", jwt_audience="loppestars")
        good = claims(iss="https://issuer.example", aud=["other", "loppestars"])
        assert (await strict.verify(hs256(good))).issuer == "https://issuer.example"
        for wrong in (
            {**good, "iss": "https://elsewhere.example"},
            {**good, "aud": "other"},
            claims(aud="loppestars"),
            claims(iss="https://issuer.example"),
        ):
            with pytest.raises(TokenRefused):
                await strict.verify(hs256(wrong))

    async def test_an_audience_that_nobody_configured_does_not_matter(self) -> None:
        """Issuers put one in by default."""
        assert await verifier().verify(hs256(claims(aud="authenticated")))

    @pytest.mark.parametrize("trusted", [True, False])
    async def test_roles_of_the_token_count_only_when_trusted(self, *, trusted: bool) -> None:
        """`app_metadata` is the issuer's; `user_metadata` is what users write themselves."""
        token = hs256(claims(app_metadata={"roles": ["admin", 7]}, user_metadata={"roles": ["organiser"]}))
        identity = await verifier(jwt_trust_roles_claim=trusted).verify(token)
        assert identity.roles == (frozenset({"admin"}) if trusted else frozenset())

    @pytest.mark.parametrize("metadata", ["admin", ["admin"], {"roles": "admin"}, None, 1])
    async def test_odd_role_claims_grant_nothing(self, metadata: Any) -> None:
        """A claim of another shape is no role, and no fault."""
        identity = await verifier(jwt_trust_roles_claim=True).verify(hs256(claims(app_metadata=metadata)))
        assert identity.roles == frozenset()

    def test_a_short_secret_is_refused_at_start(self) -> None:
        """RFC 7518 asks for a key as long as the hash."""
        with pytest.raises(ValueError, match="32 bytes"):
            AuthSettings(jwt_secret="short")


class Issuer:
    """A real HTTP server that publishes keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {}
        self.asked = 0
        self.broken = False
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                body = json.dumps({"keys": issuer.published()}).encode()
                self.send_response(500 if issuer.broken else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/keys"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def published(self) -> list[dict[str, Any]]:
        found = []
        for key_id, key in self.keys.items():
            algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            found.append({**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"})
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    made.keys = {"rsa": RSA_KEY, "ec": EC_KEY}
    yield made
    made.close()


def signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str, key_id: str | None) -> str:
    headers = {} if key_id is None else {"kid": key_id}
    return jwt.encode(claims(), key, algorithm=algorithm, headers=headers)


class TestIssuerKeys:
    @pytest.fixture
    def verifier(self, issuer: Issuer) -> TokenVerifier:
        return TokenVerifier(AuthSettings(jwks_url=issuer.url, jwks_timeout_seconds=1))

    async def test_rs256_and_es256_are_accepted_and_the_keys_kept(
        self, verifier: TokenVerifier, issuer: Issuer
    ) -> None:
        """One fetch serves all tokens."""
        for _ in range(3):
            assert (await verifier.verify(signed(RSA_KEY, "RS256", "rsa"))).subject == "user-1"
            assert (await verifier.verify(signed(EC_KEY, "ES256", "ec"))).subject == "user-1"
        assert issuer.asked == 1

    async def test_a_public_key_is_no_secret(self, issuer: Issuer) -> None:
        """Key confusion: HS256 over the text of the published key, with and without a secret configured."""
        public = RSA_KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT","kid":"rsa"}').rstrip(b"=")
        body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
        signature = hmac.new(public, head + b"." + body, hashlib.sha256).digest()
        token = b".".join([head, body, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
        for settings in (
            AuthSettings(jwks_url=issuer.url),
            AuthSettings(jwks_url=issuer.url, jwt_secret=SECRET, jwt_issuer="i"),
        ):
            with pytest.raises(TokenRefused):
                await TokenVerifier(settings).verify(token)

    async def test_a_key_serves_its_own_algorithm_only(self, verifier: TokenVerifier) -> None:
        """An RS256 token cannot point at an EC key, nor the other way round."""
        with pytest.raises(TokenRefused):
            await verifier.verify(signed(RSA_KEY, "RS256", "ec"))
        with pytest.raises(TokenRefused):
            await verifier.verify(signed(EC_KEY, "ES256", "rsa"))

    async def test_a_token_without_key_id_is_refused(self, verifier: TokenVerifier) -> None:
        """Trying every key in turn would be an invitation."""
        with pytest.raises(TokenRefused, match="kid"):
            await verifier.verify(signed(RSA_KEY, "RS256", None))

    async def test_a_rotated_key_is_found_and_strangers_cost_no_fetch(
        self, verifier: TokenVerifier, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An unknown key id asks the issuer again, but not more often than the cool-down allows."""
        await verifier.verify(signed(RSA_KEY, "RS256", "rsa"))
        for _ in range(5):
            with pytest.raises(TokenRefused):
                await verifier.verify(signed(RSA_KEY, "RS256", "made-up"))
        assert issuer.asked == 1
        new_key = ec.generate_private_key(ec.SECP256R1())
        issuer.keys = {"next": new_key}
        monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0.0)
        assert await verifier.verify(signed(new_key, "ES256", "next"))
        with pytest.raises(TokenRefused):
            await verifier.verify(signed(RSA_KEY, "RS256", "rsa"))

    async def test_an_issuer_that_is_down_signs_nobody_out(
        self, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Known keys go on working for a day; a failure is not repeated for each request."""
        verifier = TokenVerifier(AuthSettings(jwks_url=issuer.url, jwks_cache_seconds=0.05))
        await verifier.verify(signed(RSA_KEY, "RS256", "rsa"))
        issuer.broken = True
        time.sleep(0.06)  # noqa: ASYNC251 - nothing else runs in this loop
        for _ in range(4):
            assert await verifier.verify(signed(RSA_KEY, "RS256", "rsa"))
        assert verifier._keys is not None
        if verifier._keys._running is not None:
            await verifier._keys._running
        assert issuer.asked == 2
        monkeypatch.setattr(jwks, "STALE_SECONDS", 0.0)
        with pytest.raises(KeysUnavailable):
            await verifier.verify(signed(RSA_KEY, "RS256", "rsa"))

    async def test_an_issuer_that_never_answered_is_told_apart_from_a_bad_token(self) -> None:
        """The caller's token may be fine: 503, not 401."""
        settings = AuthSettings(jwks_url="http://127.0.0.1:1/keys", jwks_timeout_seconds=0.5)
        with pytest.raises(KeysUnavailable):
            await TokenVerifier(settings).verify(signed(RSA_KEY, "RS256", "rsa"))


class TestExistingProject:
    async def test_claims_of_gotrue(self, issuer: Issuer) -> None:
        """A Supabase project stays the issuer beside our own sign-in; its session is its own affair."""
        theirs = "https://project.supabase.co/auth/v1"
        settings = AuthSettings(jwks_url=issuer.url, jwt_issuer=theirs, jwt_audience="authenticated")
        own = OwnTokens(SigningKeys(new_key()), "https://fair.example/auth/v1")
        payload = claims(
            iss=theirs,
            aud="authenticated",
            sub="6f9619ff-8b86-4011-b42d-00c04fc964ff",
            iat=int(time.time()),
            email="visitor@example.org",
            phone="",
            app_metadata={"provider": "google", "providers": ["google"]},
            user_metadata={"full_name": "Visitor"},
            role="authenticated",
            aal="aal1",
            amr=[{"method": "oauth", "timestamp": int(time.time())}],
            session_id="0d5ff1e5-6a1b-4a52-8d0a-6f6f6f6f6f6f",
            is_anonymous=False,
        )
        token = jwt.encode(payload, EC_KEY, "ES256", {"kid": "ec"})
        found = await TokenVerifier(settings, own).verify(token)
        assert (found.subject, found.issuer, found.session_id) == (payload["sub"], theirs, None)
        for forged in (
            jwt.encode({**payload, "iss": own.issuer}, EC_KEY, "ES256", {"kid": "ec"}),
            own.keys.sign(payload),
        ):
            with pytest.raises(TokenRefused):
                await TokenVerifier(settings, own).verify(forged)


class TestTimes:
    @pytest.mark.parametrize("value", ["99999999999", True, 1e300, -1, int("9" * 4000), [1], None])
    async def test_odd_ones_are_refused(self, value: Any) -> None:
        """A time is a number of seconds that a calendar knows; nothing of it is a fault."""
        token = jwt.encode({"sub": "u", "exp": 0}, SECRET, algorithm="HS256")
        head, _, _ = token.split(".")
        body = base64.urlsafe_b64encode(json.dumps({"sub": "u", "exp": value}).encode()).rstrip(b"=").decode()
        signature = hmac.new(SECRET.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
        forged = f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        with pytest.raises(TokenRefused):
            await TokenVerifier(AuthSettings(jwt_secret=SECRET)).verify(forged)
