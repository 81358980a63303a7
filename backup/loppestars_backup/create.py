"""Make a backup while the platform runs.

Files are copied before and after the dump: what existed at the moment of the snapshot is in one of the two passes,
also when a sweep or a person deletes it meanwhile.
"""

import secrets
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Final

import structlog

from loppestars_backup.database import alone, dump, find_programs, snapshot
from loppestars_backup.manifest import Manifest, StoredObject
from loppestars_backup.settings import BackupSettings
from loppestars_backup.vault import MAX_BLOB_BYTES, BackupDamaged, BackupNotFound, Vault
from loppestars_core.storage.interface import ObjectInfo, ObjectNotFound, Storage

log = structlog.get_logger(__name__)

_PART_BYTES: Final = 32 * 1024 * 1024


class Copier:
    """Copies files of the buckets, each once; what an earlier backup has, and has not changed, is not read again."""

    def __init__(self, storage: Storage, vault: Vault, earlier: list[StoredObject]) -> None:
        self._storage = storage
        self._vault = vault
        self._earlier = {item.path: item for item in earlier}
        self.copied: dict[str, StoredObject] = {}
        self.new_bytes = 0

    async def copy_buckets(self, buckets: tuple[str, ...]) -> None:
        """Copy everything that is there and not copied yet."""
        for bucket in buckets:
            async for info in self._storage.list(bucket):
                await self._copy(bucket, info)

    async def _copy(self, bucket: str, info: ObjectInfo) -> None:
        path = f"{bucket}/{info.key}"
        known = self.copied.get(path) or self._earlier.get(path)
        same = known is not None and (known.modified_at, known.blob.size) == (info.modified_at, info.size)
        if known is not None and same and (path in self.copied or await self._vault.has(known.blob)):
            self.copied[path] = known
            return
        try:
            data = await self._storage.get(bucket, info.key, MAX_BLOB_BYTES)
        except ObjectNotFound:
            return  # deleted since it was listed
        blob = await self._vault.put(data)
        self.new_bytes += len(data)
        self.copied[path] = StoredObject(bucket=bucket, key=info.key, modified_at=info.modified_at, blob=blob)


async def create_backup(settings: BackupSettings, storage: Storage, vault: Vault) -> Manifest:
    """Make a backup and return its manifest; those beyond BACKUP_KEEP and BACKUP_KEEP_DAYS are deleted afterwards.

    One at a time per database: what one has copied and not yet named, the other's deletion would take.
    """
    async with alone(settings.direct_url):
        return await _create_alone(settings, storage, vault)


async def _create_alone(settings: BackupSettings, storage: Storage, vault: Vault) -> Manifest:
    started_at = datetime.now(UTC)
    copier = Copier(storage, vault, await _earlier_objects(vault))
    buckets = (settings.processed_bucket, settings.originals_bucket)
    await copier.copy_buckets(buckets)
    async with snapshot(settings.direct_url) as state:
        programs = find_programs(state.server_version, settings.backup_pg_bin)
        parts = [await vault.put(part) async for part in dump(settings.direct_url, state, programs, _PART_BYTES)]
    await copier.copy_buckets(buckets)
    manifest = Manifest(
        id=f"{started_at:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(2)}",
        release=version("loppestars"),
        started_at=started_at,
        snapshot_at=state.taken_at,
        finished_at=datetime.now(UTC),
        server_version=state.server_version,
        revision=state.revision,
        tables=state.tables,
        dump=parts,
        objects=[copier.copied[path] for path in sorted(copier.copied)],
        missing=sorted(path for bucket, key in state.files if (path := f"{bucket}/{key}") not in copier.copied),
    )
    await vault.write_manifest(manifest)
    log.info("backup_created", id=manifest.id, files=len(manifest.objects), new_bytes=copier.new_bytes)
    await prune(vault, outdated(await vault.backup_ids(), settings.backup_keep, settings.backup_keep_days))
    return manifest


def outdated(ids: list[str], keep: int, keep_days: int, now: datetime | None = None) -> list[str]:
    """Return the ids beyond the newest `keep` and those older than `keep_days`, of which 0 is no limit.

    The newest backup is never among them: a schedule that has long failed must not cost the last one.
    """
    oldest = f"{(now or datetime.now(UTC)) - timedelta(days=keep_days):%Y%m%dT%H%M%S}" if keep_days else ""
    beyond = len(ids) - keep if keep else 0
    return [backup_id for number, backup_id in enumerate(ids[:-1]) if number < beyond or backup_id < oldest]


async def prune(vault: Vault, old: list[str]) -> None:
    """Delete backups, and every blob that no other backup names."""
    kept = [backup_id for backup_id in await vault.backup_ids() if backup_id not in old]
    # The kept ones first: when one of them cannot be read, nothing may be deleted.
    manifests = [await vault.manifest(backup_id) for backup_id in kept]
    named = {part.name for manifest in manifests for part in manifest.dump}
    named |= {item.blob.name for manifest in manifests for item in manifest.objects}
    for backup_id in old:
        await vault.delete_manifest(backup_id)
    if old:
        async for name in vault.blobs():
            if name not in named:
                await vault.delete_blob(name)


async def _earlier_objects(vault: Vault) -> list[StoredObject]:
    try:
        return (await vault.newest()).objects
    except (BackupNotFound, BackupDamaged) as error:
        log.info("backup_starts_from_nothing", reason=str(error))
        return []
