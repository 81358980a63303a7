"""Which providers people may sign in with: addresses and rules, as data. Nothing here asks any of them."""

import time
from dataclasses import dataclass
from typing import Final

import jwt

GOOGLE: Final = "https://accounts.google.com"
FACEBOOK: Final = "https://www.facebook.com"
APPLE: Final = "https://appleid.apple.com"
_APPLE_SECRET_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of a provider. `keys` is where it publishes the keys of its identity tokens."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None = None


@dataclass(frozen=True, slots=True)
class AppleKey:
    """Apple's client secret is a token that the client signs with a key of its own."""

    team_id: str
    key_id: str
    private_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    Attributes:
        issuer: under which its people are known here; also the issuer of its tokens unless it has a stand-in.
        address: where its configuration is discovered.
        client_ids: the first one signs in here; identity tokens of apps may be for the others.
        endpoints: addresses for signing in that are not discovered; then people are read from `userinfo`.
        issuers: further spellings of the issuer in its tokens.
        parameters: what goes along to its sign-in page.
    """

    name: str
    issuer: str
    address: str
    client_ids: tuple[str, ...]
    client_secret: str | AppleKey
    scope: str = "openid email profile"
    endpoints: Endpoints | None = None
    issuers: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def client_id(self) -> str:
        return self.client_ids[0]

    def secret(self) -> str:
        """Return the client secret to send now."""
        key = self.client_secret
        if isinstance(key, str):
            return key
        now = int(time.time())
        claims = {
            "iss": key.team_id,
            "iat": now,
            "exp": now + _APPLE_SECRET_SECONDS,
            "aud": APPLE,
            "sub": self.client_id,
        }
        return jwt.encode(claims, key.private_key, algorithm="ES256", headers={"kid": key.key_id})


def google(client_ids: tuple[str, ...], secret: str, address: str | None = None) -> Provider:
    """Return Google, or a stand-in for it at another address."""
    return Provider(
        name="google",
        issuer=GOOGLE,
        address=address or GOOGLE,
        client_ids=client_ids,
        client_secret=secret,
        issuers=("accounts.google.com",) if address is None else (),
    )


def apple(client_ids: tuple[str, ...], secret: str | AppleKey, address: str | None = None) -> Provider:
    """Return Apple, or a stand-in for it. It answers with a form, because names and e-mail addresses are asked for."""
    return Provider(
        name="apple",
        issuer=APPLE,
        address=address or APPLE,
        client_ids=client_ids,
        client_secret=secret,
        scope="openid email name",
        parameters=(("response_mode", "form_post"),),
    )


def facebook(client_ids: tuple[str, ...], secret: str, address: str | None = None) -> Provider:
    """Return Facebook, which signs in by plain OAuth 2, or a stand-in that speaks OpenID Connect."""
    if address is not None:
        return Provider(name="facebook", issuer=FACEBOOK, address=address, client_ids=client_ids, client_secret=secret)
    return Provider(
        name="facebook",
        issuer=FACEBOOK,
        address=FACEBOOK,
        client_ids=client_ids,
        client_secret=secret,
        scope="email public_profile",
        endpoints=Endpoints(
            authorization="https://www.facebook.com/v23.0/dialog/oauth",
            token="https://graph.facebook.com/v23.0/oauth/access_token",  # noqa: S106 - an address
            keys="https://www.facebook.com/.well-known/oauth/openid/jwks/",
            userinfo="https://graph.facebook.com/v23.0/me?fields=id,name,email,picture",
        ),
    )


def openid_connect(name: str, client_ids: tuple[str, ...], secret: str, address: str) -> Provider:
    """Return any other provider that speaks OpenID Connect."""
    return Provider(name=name, issuer=address, address=address, client_ids=client_ids, client_secret=secret)
