"""How people sign in, as settings: keys, secrets, redirects, providers."""

import re
from typing import Annotated, Final, Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from loppestars_core.sign_in.providers import AppleKey, Provider, apple, facebook, google, openid_connect
from loppestars_core.sign_in.redirects import Redirects
from loppestars_core.sign_in.signing import SigningKeys

MIN_SECRET_BYTES: Final = 32
_LOOPBACK: Final = re.compile(r"http://(127(\.\d{1,3}){3}|\[::1\]|localhost)(:\d+)?(/.*)?")

Names = Annotated[tuple[str, ...], NoDecode]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]
_ID: Final = "client id of {}; further ones, comma-separated, are apps whose identity tokens are accepted"
_STAND_IN: Final = "address of a provider that stands in for {}, for tests"


class SignInSettings(BaseSettings):
    """Keys of our own tokens, where sign-ins return to, and by whom people sign in."""

    auth_signing_keys: SecretStr | None = Field(
        None,
        description="private keys of our access tokens (PEM, P-256), one after another: the first one signs, all are"
        " published and accepted; empty: sign-in is off",
    )
    auth_session_secrets: Secrets = Field(
        (), description="secrets of refresh tokens, comma-separated: the first one makes them, all are accepted"
    )
    auth_token_seconds: int = Field(3600, ge=60, le=86_400, description="how long an access token is valid")
    auth_redirects: Names = Field(
        (), description="addresses that a sign-in may return to, comma-separated; the first one where none is named"
    )
    auth_provider_timeout_seconds: float = Field(5, gt=0, le=30, description="how long a provider may take to answer")
    auth_google_client_id: Names = Field((), description=_ID.format("Google"))
    auth_google_client_secret: SecretStr = Field(SecretStr(""), description="goes with AUTH_GOOGLE_CLIENT_ID")
    auth_google_issuer: AnyHttpUrl | None = Field(None, description=_STAND_IN.format("Google"))
    auth_facebook_client_id: Names = Field((), description=_ID.format("Facebook"))
    auth_facebook_client_secret: SecretStr = Field(SecretStr(""), description="goes with AUTH_FACEBOOK_CLIENT_ID")
    auth_facebook_issuer: AnyHttpUrl | None = Field(None, description=_STAND_IN.format("Facebook"))
    auth_apple_client_id: Names = Field((), description=_ID.format("Apple"))
    auth_apple_client_secret: SecretStr = Field(
        SecretStr(""), description="goes with AUTH_APPLE_CLIENT_ID: the private key from Apple (.p8), or a made secret"
    )
    auth_apple_team_id: str = Field("", description="goes with a private key from Apple")
    auth_apple_key_id: str = Field("", description="goes with a private key from Apple")
    auth_apple_issuer: AnyHttpUrl | None = Field(None, description=_STAND_IN.format("Apple"))
    auth_oidc_client_id: Names = Field((), description=_ID.format("another OpenID Connect provider"))
    auth_oidc_client_secret: SecretStr = Field(SecretStr(""), description="goes with AUTH_OIDC_CLIENT_ID")
    auth_oidc_issuer: AnyHttpUrl | None = Field(None, description="goes with AUTH_OIDC_CLIENT_ID: its issuer")
    auth_oidc_name: str = Field("oidc", pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="its name in our addresses")

    @field_validator(
        *("auth_session_secrets", "auth_redirects", "auth_google_client_id", "auth_facebook_client_id"),
        *("auth_apple_client_id", "auth_oidc_client_id"),
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("auth_google_issuer", "auth_facebook_issuer", "auth_apple_issuer", "auth_oidc_issuer")
    @classmethod
    def _check_transport(cls, value: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if value is not None and value.scheme != "https" and not _LOOPBACK.fullmatch(str(value)):
            raise ValueError("must be https: whoever answers in its place signs in as anyone")
        return value

    @field_validator("auth_redirects")
    @classmethod
    def _check_redirects(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Redirects(value)
        return value

    @model_validator(mode="after")
    def _check_sign_in(self) -> Self:
        if self.auth_signing_keys is None:
            return self
        SigningKeys(self.auth_signing_keys.get_secret_value())
        if not self.auth_session_secrets:
            raise ValueError("AUTH_SIGNING_KEYS needs AUTH_SESSION_SECRETS (openssl rand -hex 32)")
        if any(len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES for secret in self.auth_session_secrets):
            raise ValueError(f"each of AUTH_SESSION_SECRETS must have at least {MIN_SECRET_BYTES} bytes")
        if self.auth_oidc_client_id and self.auth_oidc_issuer is None:
            raise ValueError("AUTH_OIDC_CLIENT_ID needs AUTH_OIDC_ISSUER")
        return self

    @property
    def sign_in_providers(self) -> tuple[Provider, ...]:
        """The providers that are configured."""
        found = []
        if self.auth_google_client_id:
            secret = self.auth_google_client_secret.get_secret_value()
            found.append(google(self.auth_google_client_id, secret, _address(self.auth_google_issuer)))
        if self.auth_facebook_client_id:
            secret = self.auth_facebook_client_secret.get_secret_value()
            found.append(facebook(self.auth_facebook_client_id, secret, _address(self.auth_facebook_issuer)))
        if self.auth_apple_client_id:
            secret = self.auth_apple_client_secret.get_secret_value()
            key = AppleKey(self.auth_apple_team_id, self.auth_apple_key_id, secret.replace("\\n", "\n"))
            given = key if "PRIVATE KEY" in secret else secret
            found.append(apple(self.auth_apple_client_id, given, _address(self.auth_apple_issuer)))
        if self.auth_oidc_client_id and (address := _address(self.auth_oidc_issuer)):
            secret = self.auth_oidc_client_secret.get_secret_value()
            found.append(openid_connect(self.auth_oidc_name, self.auth_oidc_client_id, secret, address))
        return tuple(found)


def _address(issuer: AnyHttpUrl | None) -> str | None:
    # As it was written: pydantic adds a slash to an address without a path.
    return None if issuer is None else str(issuer).rstrip("/")
