"""Typed settings, read from environment variables only.

A component derives one class from `ComponentSettings` and the mixins it needs, and its entry point calls
`load_settings`. Nothing else reads the environment, so a test builds settings by passing values.
"""

import re
import sys
from datetime import timedelta
from typing import Annotated, Final, Literal, Self, TypeVar, cast

from pydantic import AnyHttpUrl, BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from loppestars_core.contract.exit_codes import ExitCode

Settings = TypeVar("Settings", bound="ComponentSettings")
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Port = Annotated[int, Field(ge=0, le=65535)]

_POSTGRES_URL: Final = re.compile(r"^postgres(ql)?://[^\s?/]*/[^\s/?]+(\?\S*)?$")


class ComponentSettings(BaseSettings):
    """What every component has: logs and a metrics port of its own."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore", frozen=True, env_ignore_empty=True)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least severe log level that is written"
    )
    metrics_host: str = Field("0.0.0.0", description="address of the metrics server")  # noqa: S104 - scraped from outside the pod
    metrics_port: Port = Field(9090, description="port of the metrics server; 0 takes a free one")


class DatabaseSettings(BaseSettings):
    """Where PostgreSQL is.

    `DATABASE_URL` may name a pooler in transaction mode (PgBouncer). LISTEN and session locks need the server
    itself: then `DATABASE_DIRECT_URL` names it, and prepared statements are off on the pooled connection.
    """

    database_url: SecretStr = Field(description="PostgreSQL URL, e.g. postgresql://user:password@host:5432/loppestars")
    database_direct_url: SecretStr | None = Field(
        None, description="PostgreSQL URL that bypasses a pooler; by default DATABASE_URL"
    )
    database_pool_size: int = Field(10, ge=1, le=100, description="most connections one process keeps open")

    @model_validator(mode="after")
    def _check_urls(self) -> Self:
        for name, url in (("DATABASE_URL", self.database_url), ("DATABASE_DIRECT_URL", self.database_direct_url)):
            # The value holds a password, so the message does not repeat it.
            if url is not None and not _POSTGRES_URL.match(url.get_secret_value()):
                raise ValueError(f"{name} must be a PostgreSQL URL like postgresql://user:password@host:5432/database")
        return self

    @property
    def pooled_url(self) -> str:
        return self.database_url.get_secret_value()

    @property
    def direct_url(self) -> str:
        return (self.database_direct_url or self.database_url).get_secret_value()

    @property
    def behind_pooler(self) -> bool:
        return self.database_direct_url is not None


class PrivacySettings(BaseSettings):
    """What people are promised about their data."""

    erasure_grace_days: int = Field(30, ge=0, le=365, description="days until a person who asked for it is forgotten")


class PushSettings(BaseSettings):
    """Which push services messages may be sent to: a client names the address."""

    push_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("fcm.googleapis.com", "*.push.services.mozilla.com", "*.notify.windows.com", "*.push.apple.com"),
        description="hosts of Web Push services, comma-separated; * stands for any part",
    )

    @field_validator("push_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class StorageSettings(BaseSettings):
    """Where photos are kept: a folder (`STORAGE_DIR`) or an S3 server (any `S3_*`)."""

    storage_dir: str | None = Field(None, description="folder that holds the buckets; for one machine")
    public_url: AnyHttpUrl = Field(
        cast("AnyHttpUrl", "http://127.0.0.1:8080"),
        validate_default=True,
        description="address under which clients reach the API; stored files are served below it",
    )
    signing_secret: SecretStr = Field(SecretStr(""), description="key that signs expiring links of STORAGE_DIR")
    s3_endpoint_url: AnyHttpUrl | None = Field(None, description="S3 server; empty for AWS itself")
    s3_public_url: AnyHttpUrl | None = Field(
        None, description="address under which clients read processed photos; by default the S3 server's"
    )
    s3_region: str = Field("eu-central-1", description="S3 region")
    s3_path_style: bool = Field(default=True, description="bucket in the path (true) or in the host name (false)")
    s3_access_key_id: SecretStr | None = Field(None, description="empty: boto3's own chain, e.g. workload identity")
    s3_secret_access_key: SecretStr | None = Field(None, description="goes with S3_ACCESS_KEY_ID")
    originals_bucket: BucketName = Field("stall-photos", description="private bucket of uploaded photos")
    processed_bucket: BucketName = Field("stall-photos-processed", description="bucket of anonymised photos")

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        if self.originals_bucket == self.processed_bucket:
            raise ValueError("ORIGINALS_BUCKET and PROCESSED_BUCKET must differ: originals are private")
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together: set both or neither")
        if self.storage_dir is not None and self.s3_endpoint_url is not None:
            raise ValueError("set STORAGE_DIR or S3_ENDPOINT_URL, not both")
        return self


def load_settings(cls: type[Settings]) -> Settings:
    """Read the environment into `cls`; on a wrong variable say which and what was expected, and exit with 2."""
    try:
        return cls()
    except ValidationError as error:
        for line in explain(error, cls):
            sys.stderr.write(line + "\n")
        raise SystemExit(ExitCode.USAGE) from None
    except SettingsError as error:
        # A variable that is to be JSON; pydantic names the field and quotes nothing of the value.
        name = next((name for name in cls.model_fields if f'"{name}"' in str(error)), "of the environment")
        field = cls.model_fields.get(name)
        purpose = f" ({field.description})" if field and field.description else ""
        sys.stderr.write(f"wrong setting {name.upper()}: it is not JSON{purpose}\n")
        raise SystemExit(ExitCode.USAGE) from None


def explain(error: ValidationError, cls: type[BaseSettings]) -> list[str]:
    """Return one line for each wrong variable: its name, what is wrong and what it is for. Values are not repeated."""
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        if not item["loc"]:
            lines.append("wrong setting: " + item["msg"].removeprefix("Value error, "))
            continue
        name = str(item["loc"][0])
        field = cls.model_fields.get(name)
        purpose = f" ({field.description})" if field and field.description else ""
        inside = "".join(f", {part}" for part in item["loc"][1:] if part != "[key]")
        lines.append(f"wrong setting {name.upper()}{inside}: {item['msg']}{purpose}")
    return lines


def describe(cls: type[BaseSettings]) -> str:
    """Return a table of the variables that `cls` reads, for `--help`."""
    rows = []
    for name, field in cls.model_fields.items():
        default = shown_default(field)
        shown = " [required]" if field.is_required() else f" [default {default}]" if default else ""
        rows.append(f"  {name.upper():<28} {field.description or ''}{shown}")
    return "environment variables:\n" + "\n".join(rows)


def shown_default(field: FieldInfo) -> str:
    """Return a default as one would write it into the environment; nothing for none, secrets and whole documents."""
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, SecretStr | BaseModel | dict):
        return ""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
