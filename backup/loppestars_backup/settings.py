"""What `loppestars-backup` reads from the environment."""

import base64
import binascii
from pathlib import Path
from typing import Final, Self

from pydantic import AnyHttpUrl, Field, SecretStr, model_validator

from loppestars_core.kit.settings import BucketName, ComponentSettings, DatabaseSettings, StorageSettings

KEY_BYTES: Final = 32


class BackupSettings(DatabaseSettings, StorageSettings, ComponentSettings):
    """The installation (DATABASE_*, STORAGE_DIR or S3_*), and where its backups are kept (BACKUP_*)."""

    backup_dir: Path | None = Field(None, description="folder that holds the backups")
    backup_s3_bucket: BucketName | None = Field(None, description="S3 bucket that holds the backups, instead")
    backup_s3_endpoint_url: AnyHttpUrl | None = Field(None, description="S3 server of the backups; empty for AWS")
    backup_s3_region: str = Field("eu-central-1", description="its region")
    backup_s3_path_style: bool = Field(default=True, description="bucket in the path (true) or in the host name")
    backup_s3_access_key_id: SecretStr | None = Field(None, description="empty: boto3's own chain")
    backup_s3_secret_access_key: SecretStr | None = Field(None, description="goes with BACKUP_S3_ACCESS_KEY_ID")
    backup_encryption_key: SecretStr | None = Field(
        None, description="32 random bytes in base64 (openssl rand -base64 32); empty: backups are not encrypted"
    )
    backup_keep: int = Field(0, ge=0, description="backups that `create` keeps, older ones are deleted; 0 keeps all")
    backup_keep_days: int = Field(
        0, ge=0, description="days after which `create` deletes a backup, never the newest; 0 keeps all"
    )
    termination_message_path: Path | None = Field(
        None, description="file to which the result of `create` and `drill` is written as JSON"
    )
    backup_pg_bin: Path | None = Field(None, description="folder of pg_dump and pg_restore; by default they are found")

    @model_validator(mode="after")
    def _check_backup(self) -> Self:
        if (self.backup_dir is None) == (self.backup_s3_bucket is None):
            raise ValueError("set BACKUP_DIR or BACKUP_S3_BUCKET, one of them")
        if (self.backup_s3_access_key_id is None) != (self.backup_s3_secret_access_key is None):
            raise ValueError("BACKUP_S3_ACCESS_KEY_ID and BACKUP_S3_SECRET_ACCESS_KEY go together")
        if self.backup_encryption_key is not None and len(self.key or b"") != KEY_BYTES:
            raise ValueError(f"BACKUP_ENCRYPTION_KEY must be {KEY_BYTES} bytes in base64: openssl rand -base64 32")
        return self

    @property
    def key(self) -> bytes | None:
        """The key, or what of it can be read; None without encryption."""
        if self.backup_encryption_key is None:
            return None
        try:
            return base64.b64decode(self.backup_encryption_key.get_secret_value(), validate=True)
        except (binascii.Error, ValueError):
            return b""
