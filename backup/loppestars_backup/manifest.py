"""What one backup consists of: the list that makes blobs a backup."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Manifest(BaseModel):
    """One backup. It is written last: a backup without it does not exist."""

    model_config = ConfigDict(frozen=True)

    id: str
    format: int = 1
    release: str
    started_at: datetime
    snapshot_at: datetime
    """State of the database: what was committed before is in the backup."""
    finished_at: datetime
    server_version: int
    revision: str | None
    tables: dict[str, int]
    """Rows of each table in the snapshot."""
    dump: list["Blob"]
    """The parts of pg_dump's custom format, in order."""
    objects: list["StoredObject"]
    missing: list[str]
    """Files that the database names and storage did not have, as bucket/key."""

    @property
    def total_bytes(self) -> int:
        """Bytes of everything, before encryption."""
        return sum(part.size for part in self.dump) + sum(item.blob.size for item in self.objects)


class Blob(BaseModel):
    """Bytes in the vault."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str
    size: int


class StoredObject(BaseModel):
    """A file of a bucket."""

    model_config = ConfigDict(frozen=True)

    bucket: str
    key: str
    modified_at: datetime
    blob: Blob

    @property
    def path(self) -> str:
        """Where it is, for people."""
        return f"{self.bucket}/{self.key}"


Manifest.model_rebuild()
