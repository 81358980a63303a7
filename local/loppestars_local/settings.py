"""What `make run` reads from the environment; everything has a default that works."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class RunSettings(BaseSettings):
    """Settings of `loppestars-local`. Other variables (S3_*, LOG_LEVEL, …) go on to the components as they are."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True)

    port: int = Field(8080, ge=1, le=65535, description="port of the API")
    data_dir: Path = Field(Path(".loppestars"), description="folder of the database, files, logs and keys")
    sources: Literal["sample", "live"] = Field("sample", description="crawl the sample site or the real sites")
    imaging_processes: int = Field(1, ge=1, le=64, description="photos worked on at the same time")
    database_url: SecretStr | None = Field(None, description="a PostgreSQL of yours instead of the embedded one")
    s3_endpoint_url: str | None = Field(None, description="an S3 server of yours instead of the file system")
