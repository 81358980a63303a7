"""What the API reads from its environment."""

from typing import Annotated, Final, Literal, Self

from pydantic import AnyHttpUrl, Field, IPvAnyNetwork, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from loppestars_core.kit.hosts import is_loopback
from loppestars_core.kit.settings import (
    ComponentSettings,
    DatabaseSettings,
    Port,
    PrivacySettings,
    PushSettings,
    StorageSettings,
)
from loppestars_core.sign_in.settings import SignInSettings

# RFC 7518, section 3.2: a key of at least the hash's size.
MIN_SECRET_BYTES: Final = 32
# `xxxx…` is long and still no secret.
MIN_SECRET_CHARACTERS: Final = 10
MEBIBYTE: Final = 1024 * 1024

# Lists come as comma-separated text, the way people write environment variables; pydantic-settings would want JSON.
Names = Annotated[tuple[str, ...], NoDecode]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode]


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class AuthSettings(ComponentSettings):
    """How bearer tokens are checked: a shared secret, the public keys of an issuer, or both."""

    jwt_secret: SecretStr | None = Field(
        None, description="HS256 secret of bearer tokens, at least 32 bytes; empty: no HS256 token is accepted"
    )
    jwks_url: AnyHttpUrl | None = Field(
        None, description="where the issuer publishes the public keys of its RS256 and ES256 tokens"
    )
    jwks_cache_seconds: float = Field(600, gt=0, le=86_400, description="how long fetched keys are cached")
    jwks_timeout_seconds: float = Field(5, gt=0, le=30, description="how long fetching the keys may take")
    jwt_issuer: str | None = Field(None, description="the iss that a token must carry; empty: any")
    jwt_secret_issuer: str | None = Field(
        None, description="the iss of tokens signed with JWT_SECRET; empty: JWT_ISSUER"
    )
    jwt_audience: str | None = Field(None, description="the aud that a token must carry; empty: not checked")
    jwt_leeway_seconds: float = Field(10, ge=0, le=300, description="clock difference allowed for exp and nbf")
    jwt_trust_roles_claim: bool = Field(
        default=False, description="whether app_metadata.roles of a token grants roles, next to the database"
    )

    @field_validator("jwks_url")
    @classmethod
    def _check_transport(cls, value: AnyHttpUrl | None) -> AnyHttpUrl | None:
        if value is not None and value.scheme != "https" and not is_loopback(value.host or ""):
            raise ValueError("must be https: whoever changes the keys on the way signs in as anyone")
        return value

    @model_validator(mode="after")
    def _check_secret(self) -> Self:
        secret = self.jwt_secret.get_secret_value() if self.jwt_secret else None
        if secret is not None and len(secret.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"JWT_SECRET must have at least {MIN_SECRET_BYTES} bytes (openssl rand -base64 48)")
        if secret is not None and len(set(secret)) < MIN_SECRET_CHARACTERS:
            raise ValueError("JWT_SECRET is too simple: too few different characters (openssl rand -base64 48)")
        if secret is not None and self.jwks_url is not None and not self.jwt_issuer:
            raise ValueError("JWT_SECRET and JWKS_URL together need JWT_ISSUER: else one could speak for the other")
        return self

    @property
    def issuers_differ(self) -> bool:
        """Whether a subject has to be tied to the issuer that it first came from."""
        return bool(self.jwt_secret and self.jwks_url and self.jwt_secret_issuer not in {None, self.jwt_issuer})


class LimitSettings(ComponentSettings):
    """How much one client, and all of them together, may ask for."""

    trusted_proxies: Networks = Field(
        (), description="networks whose X-Forwarded-For is trusted, comma-separated, e.g. 10.0.0.0/8"
    )
    rate_limit_lists_per_minute: int = Field(
        6000, ge=0, description="requests of one address per minute (a screen of the app makes about 60); 0: no limit"
    )
    rate_limit_photos_per_minute: int = Field(
        120, ge=0, description="photos of one client per minute, sustained; 0: no limit"
    )
    # Whole neighbourhoods share one address behind a mobile network's NAT.
    rate_limit_photos_burst: int = Field(600, ge=1, description="photos of one client at once")
    rate_limit_triggers_per_minute: int = Field(
        30, ge=0, description="crawl commands of one admin per minute; 0: no limit"
    )
    rate_limit_exports_per_minute: int = Field(
        6, ge=0, description="copies of their data that one user may ask for per minute; 0: no limit"
    )
    rate_limit_strangers_per_minute: int = Field(
        10, ge=0, description="requests of one address without an account (take a photo down, delete data); 0: no limit"
    )
    rate_limit_auth_failures_per_minute: int = Field(
        60, ge=0, description="refused tokens of one address per minute; 0: no limit"
    )
    rate_limit_sign_ins_per_minute: int = Field(
        120, ge=0, description="sign-ins that one address may begin per minute; 0: no limit"
    )
    max_connections: int = Field(
        2000, ge=16, description="connections of one process; beyond it those that wait for a request are closed"
    )
    max_json_bytes: int = Field(64 * 1024, ge=1024, description="largest JSON body")
    max_photo_bytes: int = Field(50 * MEBIBYTE, ge=1024, description="largest photo")
    max_waiting_photos: int = Field(
        600, ge=1, description="photo requests that may wait for imaging in one process; further ones get 503"
    )
    max_uploads: int = Field(
        32,
        ge=1,
        description="photo uploads received at once by one process, half of them of one client",
    )
    photo_wait_seconds: float = Field(30, gt=0, le=300, description="how long a photo request waits before its 504")
    tokenless_process_minutes: float = Field(
        15, gt=0, description="age up to which an original may be processed without a token"
    )
    body_timeout_seconds: float = Field(30, gt=0, description="longest silence while a request body arrives")
    statement_timeout_seconds: float = Field(3, gt=0, description="longest time a list waits for the database")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        return _split(value)


class ApiSettings(
    PushSettings, AuthSettings, SignInSettings, LimitSettings, PrivacySettings, StorageSettings, DatabaseSettings
):
    """Settings of `loppestars-api`."""

    database_read_pool_size: int = Field(
        10,
        ge=1,
        le=100,
        description="most connections for reading markets, and as many for reading rows of the app, in addition to"
        " DATABASE_POOL_SIZE",
    )
    host: str = Field("127.0.0.1", description="address the API listens on")
    port: Port = Field(8080, description="port the API listens on; 0 takes a free one")
    anon_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="keys of the mobile app for /rest/v1, comma-separated so that one can be rotated; empty: closed"
    )
    operator_token: SecretStr = Field(
        SecretStr(""),
        description="token of scripts that report about crawls to /functions/v1/send-scrape-status, at least 32"
        " bytes; empty: admins only",
    )
    facebook_app_secret: SecretStr | None = Field(
        None, description="secret of the Facebook app, for its data deletion callback; empty: the callback is closed"
    )
    vapid_public_key: str = Field("", description="key that browsers subscribe to Web Push with; empty: none do")
    privacy_contact: str = Field("", description="e-mail address for questions about personal data, shown on pages")
    cors_origins: Names = Field(
        ("*",), description="origins of browsers that may call, comma-separated; * is any, empty none"
    )
    security_contact: str = Field(
        "",
        pattern=r"^((mailto:|https://|tel:)\S+)?$",
        description="where a vulnerability is reported, such as mailto:security@example.com; /.well-known/security.txt",
    )
    access_log: bool = Field(default=True, description="write a log line for each request")
    drain_seconds: int = Field(40, ge=1, description="how long requests in flight are waited for at shutdown")
    crawl_launcher: Literal["local", "cluster"] = Field(
        "local", description="local starts crawls as processes; cluster creates Crawl resources"
    )
    crawl_sources: Names = Field((), description="sources of a crawl triggered without naming any; empty: all")
    crawl_command: str = Field("loppestars-crawler", description="crawler command of the local launcher")
    crawl_stack: str = Field("", description="LoppestarsStack that Crawl resources belong to (cluster launcher)")
    crawl_namespace: str = Field("", description="namespace of Crawl resources; empty: the pod's own")

    @field_validator("operator_token")
    @classmethod
    def _check_token(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"must have at least {MIN_SECRET_BYTES} bytes (openssl rand -base64 48)")
        return value

    @field_validator("cors_origins", "crawl_sources", "anon_keys", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return _split(value)
