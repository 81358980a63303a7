"""Whether a backup can be relied on: its bytes, and a restore into a database that is thrown away."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from loppestars_backup.database import DatabaseInUse, is_same_database, table_counts
from loppestars_backup.manifest import Manifest
from loppestars_backup.restore import restore_database
from loppestars_backup.settings import BackupSettings
from loppestars_backup.vault import BackupDamaged, Vault


@dataclass(frozen=True, slots=True)
class Drill:
    """What a restore drill found. The recovery point is how much work would be lost, the time how long it takes."""

    recovery_time: timedelta
    recovery_point: timedelta
    rows: int
    published_photos: int
    problems: list[str]


async def damaged_blobs(vault: Vault, manifest: Manifest) -> list[str]:
    """Read everything of a backup; return a sentence for each part that is missing or damaged."""
    problems = []
    named = {f"part {number} of the dump": blob for number, blob in enumerate(manifest.dump)}
    named |= {item.path: item.blob for item in manifest.objects}
    for name, blob in named.items():
        try:
            await vault.get(blob)
        except BackupDamaged as error:
            problems.append(f"{name}: {error}")
    return problems


async def drill(settings: BackupSettings, vault: Vault, manifest: Manifest, scratch_url: str) -> Drill:
    """Restore the database into `scratch_url`, whose schema is replaced, and check what the backup promises.

    Raises:
        DatabaseInUse: it is the installation's own.
    """
    if await asyncio.to_thread(is_same_database, settings.direct_url, scratch_url):
        raise DatabaseInUse("the database to throw away is the installation's own; name another one")
    started = time.monotonic()
    await restore_database(scratch_url, manifest, vault, settings, replace=True)
    problems = await damaged_blobs(vault, manifest)
    took = timedelta(seconds=time.monotonic() - started)
    found = await asyncio.to_thread(table_counts, scratch_url)
    problems += [
        f"table {name}: {found.get(name, 0)} rows restored, {rows} were saved"
        for name, rows in manifest.tables.items()
        if found.get(name, 0) != rows
    ]
    published = await asyncio.to_thread(_published_files, scratch_url)
    saved = {item.path for item in manifest.objects}
    problems += [f"published photo without bytes: {path}" for path in published if path not in saved]
    return Drill(
        recovery_time=took,
        recovery_point=datetime.now(UTC) - manifest.snapshot_at,
        rows=sum(found.values()),
        published_photos=len(published),
        problems=problems,
    )


def _published_files(url: str) -> list[str]:
    statement = (
        "SELECT variant.bucket || '/' || variant.key FROM photo_variants AS variant "
        "JOIN photos ON photos.id = variant.photo_id WHERE photos.visibility = 'public'"
    )
    with psycopg.connect(url, options="-c loppestars.role=system") as connection:
        try:
            return [str(path) for (path,) in connection.execute(statement).fetchall()]
        except psycopg.errors.UndefinedTable:
            return []
