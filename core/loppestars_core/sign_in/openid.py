"""Conversations with providers: OAuth 2 with PKCE by authlib, identity tokens checked by the provider's keys.

Every answer of a provider is bounded in time and leads to no other host: what it says decides who somebody is.
"""

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

import httpx2
import jwt
import orjson
import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from jwt.exceptions import PyJWTError

from loppestars_core.sign_in.issuer_keys import MAX_DOCUMENT_BYTES, IssuerKeys, KeysUnavailable, fetch
from loppestars_core.sign_in.people import Person
from loppestars_core.sign_in.providers import Endpoints, Provider

log = structlog.get_logger(__name__)

CONFIGURATION_SECONDS: Final = 3600.0
MAX_SUBJECT: Final = 255
MAX_CLAIM: Final = 2048
_ALGORITHMS: Final = {"RS256": "RSA", "ES256": "EC"}
_LEEWAY_SECONDS: Final = 60
# What is shown to a user of themselves.
_SHOWN: Final = ("name", "full_name", "given_name", "family_name", "picture", "avatar_url", "locale", "email_verified")


class ProviderUnavailable(Exception):
    """The provider does not answer, or not in a way that can be understood."""


class SignInRefused(Exception):
    """The provider, or what it sent, does not vouch for anybody; the message says why."""


class ProviderClient:
    """Signs people in with one provider.

    Args:
        provider: which one.
        callback: our address to which it sends people back.
        timeout: seconds that one answer of it may take.
    """

    def __init__(self, provider: Provider, callback: str, *, timeout: float) -> None:
        self.provider = provider
        self._callback = callback
        self._timeout = timeout
        # Made once: reading the certificates takes a while. Plain http is for loopback only, see the settings.
        self._tls = ssl.create_default_context() if provider.address.startswith("https") else False
        self._endpoints = provider.endpoints
        self._read = float("inf") if provider.endpoints else float("-inf")
        self._keys: IssuerKeys | None = None

    async def authorization_url(self, state: str, nonce: str, verifier: str, hints: Mapping[str, str]) -> str:
        """Return the address of the provider's sign-in page. Raise `ProviderUnavailable`."""
        endpoints = await self._discover()
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                endpoints.authorization,
                state=state,
                code_verifier=verifier,
                nonce=nonce,
                **{**hints, **dict(self.provider.parameters)},
            )
        return str(url)

    async def person(self, code: str, nonce: str, verifier: str) -> Person:
        """Return who signed in. Raise `SignInRefused` or `ProviderUnavailable`."""
        endpoints = await self._discover()
        try:
            async with asyncio.timeout(self._timeout), self._client() as client:
                tokens = await client.fetch_token(
                    endpoints.token, grant_type="authorization_code", code=code, code_verifier=verifier
                )
                if self.provider.endpoints is not None and endpoints.userinfo:
                    client.token = tokens
                    answer = await client.get(endpoints.userinfo)
                    answer.raise_for_status()
                    return self._described(_object(answer.content))
        except OAuthError as error:
            log.warning("sign_in_refused", provider=self.provider.name, error=str(error.error)[:100])
            raise SignInRefused("The provider does not accept the code.") from None
        except (httpx2.HTTPError, OSError, ValueError) as error:
            log.warning("provider_unavailable", provider=self.provider.name, error=type(error).__name__)
            raise ProviderUnavailable from None
        claims = await self._claims(str(tokens.get("id_token", "")))
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise SignInRefused("The identity token is of another sign-in.")
        return self._described(claims)

    async def person_of(self, id_token: str, nonce: str | None) -> Person:
        """Return who an identity token names that an app got by itself; its nonce is there as a hash.

        Raises:
            SignInRefused: it is not accepted.
            ProviderUnavailable: the provider's keys cannot be had.
        """
        claims = await self._claims(id_token)
        there = claims.get("nonce")
        if (there is None) != (nonce is None):
            raise SignInRefused("Passed nonce and nonce in id_token should either both exist or not.")
        if nonce is not None:
            hashed = hashlib.sha256(nonce.encode()).hexdigest()
            if not hmac.compare_digest(hashed.encode(), str(there).encode()):
                raise SignInRefused("Nonces mismatch.")
        return self._described(claims)

    def _client(self) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self.provider.client_id,
            self.provider.secret(),
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - the name of a method
            scope=self.provider.scope,
            redirect_uri=self._callback,
            code_challenge_method="S256",
            timeout=self._timeout,
            follow_redirects=False,
            trust_env=True,  # proxies; authorities are those of `verify`
            verify=self._tls,
        )

    async def _discover(self) -> Endpoints:
        """Return where the provider is asked; known addresses serve on while it does not answer."""
        if self._endpoints is None or monotonic() - self._read >= CONFIGURATION_SECONDS:
            try:
                url = f"{self.provider.address.rstrip('/')}/.well-known/openid-configuration"
                document = _object(await fetch(url, timeout=self._timeout, tls=self._tls))
                self._endpoints = self._checked(document)
                self._read = monotonic()
            except (httpx2.HTTPError, OSError, ValueError) as error:
                log.warning("provider_unavailable", provider=self.provider.name, error=type(error).__name__)
                if self._endpoints is None:
                    raise ProviderUnavailable from None
        return self._endpoints

    def _checked(self, document: Mapping[str, Any]) -> Endpoints:
        if str(document.get("issuer", "")).rstrip("/") != self.provider.address.rstrip("/"):
            raise ValueError("the configuration is of another issuer")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        addresses = [str(document.get(name, "")) for name in names]
        # Whoever answers over https must not lead us, or people's codes, to plain http.
        if self._tls and not all(address.startswith("https://") for address in addresses):
            raise ValueError("the configuration has addresses without https")
        return Endpoints(addresses[0], addresses[1], addresses[2])

    async def _claims(self, id_token: str) -> dict[str, Any]:
        """Return the claims of an identity token that the provider signed for us."""
        try:
            header = jwt.get_unverified_header(id_token)
        except (PyJWTError, ValueError, RecursionError):
            raise SignInRefused("Bad ID token.") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS or not isinstance(key_id, str):
            raise SignInRefused("Bad ID token: its algorithm is not accepted.")
        if self._keys is None:
            endpoints = await self._discover()
            self._keys = IssuerKeys(endpoints.keys, cache_seconds=CONFIGURATION_SECONDS, timeout=self._timeout)
        try:
            key = await self._keys.find(key_id)
        except KeysUnavailable:
            raise ProviderUnavailable from None
        if key is None or key.key_type != _ALGORITHMS[algorithm]:
            raise SignInRefused("Bad ID token: it is signed by a key that the provider does not publish.")
        try:
            return jwt.decode(
                id_token,
                key.key,
                algorithms=[algorithm],
                audience=list(self.provider.client_ids),
                issuer=[self.provider.address, *self.provider.issuers],
                leeway=_LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "sub", "exp", "iat"]},
            )
        except (PyJWTError, ValueError):
            raise SignInRefused("Bad ID token: signature, issuer, audience, times or a required claim.") from None

    def _described(self, claims: Mapping[str, Any]) -> Person:
        subject = claims.get("sub", claims.get("id"))
        if not isinstance(subject, str) or not subject or len(subject) > MAX_SUBJECT or not subject.isprintable():
            raise SignInRefused("The provider names no subject.")
        shown = {name: claims[name] for name in _SHOWN if _is_short(claims.get(name))}
        picture = claims.get("picture")
        if isinstance(picture, dict):  # Facebook's
            url = picture.get("data", {}).get("url") if isinstance(picture.get("data"), dict) else None
            shown |= {"picture": url} if _is_short(url) else {}
        if "name" in shown:
            shown.setdefault("full_name", shown["name"])
        if "picture" in shown:
            shown.setdefault("avatar_url", shown["picture"])
        email = claims.get("email")
        return Person(
            provider=self.provider.name,
            issuer=self.provider.issuer,
            subject=subject,
            email=email if isinstance(email, str) and "@" in email and _is_short(email) else None,
            claims=shown,
        )


def _is_short(value: object) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and 0 < len(value) <= MAX_CLAIM and value.isprintable())


def _object(document: bytes) -> dict[str, Any]:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError("the answer is too large")
    found = orjson.loads(document)
    if not isinstance(found, dict):
        raise ValueError("the answer is not an object")  # noqa: TRY004 - as one that is not JSON
    return found
