"""What `make run` reads from the environment; everything has a default that works."""

import os
import socket
from pathlib import Path
from typing import Final, Literal

import psycopg
from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from loppestars_core.kit.settings import DatabaseSettings, StorageSettings, explain

_CONNECT_SECONDS: Final = 5


class SettingsRefused(ValueError):
    """A variable is wrong; the message has a line for each."""


class RunSettings(BaseSettings):
    """Settings of `loppestars-local`. Other variables (S3_*, LOG_LEVEL, …) go on to the components as they are."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    port: int = Field(8080, ge=1, le=65535, description="port of the API")
    data_dir: Path = Field(Path(".loppestars"), description="folder of the database, files, logs and keys")
    sources: Literal["sample", "live"] = Field("sample", description="crawl the sample site or the real sites")
    imaging_processes: int = Field(1, ge=1, le=64, description="photos worked on at the same time")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least severe level logged")
    database_url: SecretStr | None = Field(None, description="a PostgreSQL of yours instead of the embedded one")
    s3_endpoint_url: AnyHttpUrl | None = Field(None, description="an S3 server of yours instead of the file system")


def load_run_settings() -> RunSettings:
    """Read the environment; raise `SettingsRefused` for every wrong variable, those of the components included."""
    lines: list[str] = []
    classes: list[type[BaseSettings]] = [RunSettings, StorageSettings]
    if os.environ.get("DATABASE_URL"):
        classes.append(DatabaseSettings)
    for cls in classes:
        try:
            cls()
        except ValidationError as error:
            lines += explain(error, cls)
    if lines:
        raise SettingsRefused("\n".join(dict.fromkeys(lines)))
    return RunSettings()


def check_servers(settings: RunSettings) -> None:
    """Raise `SettingsRefused` when a server of the user's cannot be reached."""
    if settings.database_url is not None:
        try:
            psycopg.connect(settings.database_url.get_secret_value(), connect_timeout=_CONNECT_SECONDS).close()
        except psycopg.Error as error:
            from loppestars_core.kit.logging import redact_text  # noqa: PLC0415 - structlog, for a refusal only

            raise SettingsRefused(
                f"wrong setting DATABASE_URL: the database cannot be reached: {redact_text(str(error))}"
            ) from None
    if settings.s3_endpoint_url is not None:
        address = settings.s3_endpoint_url
        try:
            socket.create_connection((address.host or "", address.port or 0), timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            raise SettingsRefused(
                f"wrong setting S3_ENDPOINT_URL: {address} cannot be reached: {error.strerror or error}"
            ) from None
