"""The destination of backups: blobs named by their content, so that what has not changed is stored once.

backups/<id>.json     manifests
blobs/<ab>/<name>     parts of dumps, and files

With a key everything is sealed with AES-256-GCM under a fresh nonce and bound to its name, and names are keyed, so that
the destination learns nothing but sizes.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import ValidationError

from loppestars_backup.manifest import Blob, Manifest
from loppestars_core.storage.interface import ObjectNotFound, Storage

MAX_BLOB_BYTES: Final = 64 * 1024 * 1024
_NONCE_BYTES: Final = 12
_MAX_STORED_BYTES: Final = MAX_BLOB_BYTES + 1024
_MAX_MANIFEST_BYTES: Final = 1024 * 1024 * 1024
_MEDIA_TYPE: Final = "application/octet-stream"


class BackupNotFound(LookupError):
    """There is no such backup."""


class BackupDamaged(RuntimeError):
    """Bytes at the destination are not what was stored, or the key is another one."""


class Vault:
    """Blobs and manifests in `bucket` of a storage."""

    def __init__(self, storage: Storage, bucket: str, key: bytes | None) -> None:
        self._storage = storage
        self._bucket = bucket
        self._key = key
        self._cipher = AESGCM(key) if key is not None else None

    async def put(self, data: bytes) -> Blob:
        """Store bytes unless they are there; return how to find them."""
        digest = hashlib.sha256(data).hexdigest()
        name = digest if self._key is None else hmac.new(self._key, data, hashlib.sha256).hexdigest()
        blob = Blob(name=name, sha256=digest, size=len(data))
        if not await self.has(blob):
            await self._storage.put(self._bucket, _path(name), self._seal(name, data), _MEDIA_TYPE)
        return blob

    async def has(self, blob: Blob) -> bool:
        """Return whether the blob is there, by its name."""
        try:
            await self._storage.stat(self._bucket, _path(blob.name))
        except ObjectNotFound:
            return False
        return True

    async def get(self, blob: Blob) -> bytes:
        """Return checked bytes; raise `BackupDamaged`."""
        try:
            sealed = await self._storage.get(self._bucket, _path(blob.name), _MAX_STORED_BYTES)
        except ObjectNotFound:
            raise BackupDamaged(f"blob {blob.name} is missing") from None
        data = self._open(blob.name, sealed)
        if hashlib.sha256(data).hexdigest() != blob.sha256:
            raise BackupDamaged(f"blob {blob.name} is damaged: its checksum is another one")
        return data

    async def write_manifest(self, manifest: Manifest) -> None:
        """Make the backup exist."""
        data = self._seal(manifest.id, manifest.model_dump_json().encode())
        await self._storage.put(self._bucket, f"backups/{manifest.id}.json", data, "application/json")

    async def manifest(self, backup_id: str) -> Manifest:
        """Return one backup; raise `BackupNotFound` or `BackupDamaged`."""
        try:
            sealed = await self._storage.get(self._bucket, f"backups/{backup_id}.json", _MAX_MANIFEST_BYTES)
        except ObjectNotFound:
            raise BackupNotFound(f"there is no backup {backup_id!r}; `loppestars-backup list` shows them") from None
        try:
            return Manifest.model_validate_json(self._open(backup_id, sealed))
        except ValidationError as error:
            raise BackupDamaged(f"the list of backup {backup_id} cannot be read: is it encrypted?") from error

    async def backup_ids(self) -> list[str]:
        """Return the ids of all backups, oldest first."""
        keys = [info.key async for info in self._storage.list(self._bucket, "backups/")]
        return sorted(key.removeprefix("backups/").removesuffix(".json") for key in keys)

    async def newest(self) -> Manifest:
        """Return the newest backup; raise `BackupNotFound` when there is none."""
        ids = await self.backup_ids()
        if not ids:
            raise BackupNotFound("there is no backup yet: loppestars-backup create")
        return await self.manifest(ids[-1])

    async def blobs(self) -> AsyncIterator[str]:
        """Yield the names of all blobs."""
        async for info in self._storage.list(self._bucket, "blobs/"):
            yield info.key.rpartition("/")[2]

    async def delete_manifest(self, backup_id: str) -> None:
        """Make a backup not exist; its blobs stay until nothing names them."""
        await self._storage.delete(self._bucket, f"backups/{backup_id}.json")

    async def delete_blob(self, name: str) -> None:
        """Delete bytes that nothing names."""
        await self._storage.delete(self._bucket, _path(name))

    def _seal(self, name: str, data: bytes) -> bytes:
        if self._cipher is None:
            return data
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, name.encode())

    def _open(self, name: str, sealed: bytes) -> bytes:
        if self._cipher is None:
            return sealed
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise BackupDamaged(f"{name} is damaged, or BACKUP_ENCRYPTION_KEY is another one") from None


def _path(name: str) -> str:
    return f"blobs/{name[:2]}/{name}"
