"""Put a backup back: the database in one transaction, then the files."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from loppestars_backup.database import drop_aside, find_programs, put_back, restore, set_aside
from loppestars_backup.manifest import Manifest
from loppestars_backup.settings import BackupSettings
from loppestars_backup.vault import Vault
from loppestars_core.storage.interface import ObjectNotFound, Storage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """How many files were written, and how many were there already."""

    written: int
    present: int


async def restore_database(
    url: str, manifest: Manifest, vault: Vault, settings: BackupSettings, *, replace: bool
) -> None:
    """Load the dump into `url`; when that fails the database is as it was."""
    programs = find_programs(manifest.server_version, settings.backup_pg_bin)

    async def parts() -> AsyncIterator[bytes]:
        for blob in manifest.dump:
            yield await vault.get(blob)

    await asyncio.to_thread(set_aside, url, replace=replace)
    try:
        await restore(url, parts(), programs)
    except BaseException:
        await asyncio.to_thread(put_back, url)
        raise
    await asyncio.to_thread(drop_aside, url)


async def restore_backup(
    settings: BackupSettings, storage: Storage, vault: Vault, manifest: Manifest, *, replace: bool
) -> Restored:
    """Restore everything; raise `DatabaseNotEmpty`, `BackupDamaged` or `DatabaseCommandFailed`.

    Files come first: a photo that the database publishes has its bytes at every moment.
    """
    restored = await _restore_files(storage, vault, manifest)
    await restore_database(settings.direct_url, manifest, vault, settings, replace=replace)
    log.info("backup_restored", id=manifest.id, files_written=restored.written, files_present=restored.present)
    return restored


async def _restore_files(storage: Storage, vault: Vault, manifest: Manifest) -> Restored:
    written = 0
    for item in manifest.objects:
        try:
            present = (await storage.stat(item.bucket, item.key)).size == item.blob.size
        except ObjectNotFound:
            present = False
        if not present:
            media_type = mimetypes.guess_type(item.key)[0] or "application/octet-stream"
            await storage.put(item.bucket, item.key, await vault.get(item.blob), media_type)
            written += 1
    return Restored(written, len(manifest.objects) - written)
