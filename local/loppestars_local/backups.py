"""Backups of a data folder by `loppestars-backup`, whose variables are set here."""

import os
import subprocess
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from loppestars_local.components import program
from loppestars_local.data_folder import DataFolder
from loppestars_local.postgres import OWNER, SUPERUSER, EmbeddedPostgres

_DATABASE: Final = "loppestars"
_SCRATCH: Final = "loppestars_restore_drill"


def create_backup(folder: DataFolder, platform: Mapping[str, Any]) -> int:
    """Back up a platform that runs; return the exit code of `loppestars-backup`."""
    return _run(folder, platform["database_url"], "create")


def restore_backup(folder: DataFolder, backup_id: str) -> int:
    """Restore into a folder on which nothing runs, also an empty one; return the exit code.

    Raises:
        FolderInUse: a platform runs on it.
        FolderUnusable: it cannot be written to.
        PostgresDidNotStart: the database cannot be started.
    """
    # Files that are written here are for their owner only, as in a run.
    os.umask(0o077)
    folder.acquire()
    server = EmbeddedPostgres(folder.path / "postgres")
    try:
        server.start()
        server.ensure_database(_DATABASE)
        url = server.owner_url(_DATABASE)
        return _run(folder, url, "restore", *([backup_id] if backup_id else []), "--replace") or _run(
            folder, url, command="loppestars-migrate"
        )
    finally:
        server.stop()
        folder.release()


def drill(folder: DataFolder, platform: Mapping[str, Any]) -> int:
    """Restore the newest backup into a database of the embedded server that is dropped afterwards."""
    url = str(platform["database_url"])
    with psycopg.connect(url, user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {_SCRATCH} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {_SCRATCH} OWNER {OWNER}")
        try:
            return _run(folder, url, "drill", "--scratch-url", url.replace(f"/{_DATABASE}?", f"/{_SCRATCH}?"))
        finally:
            connection.execute(f"DROP DATABASE {_SCRATCH} WITH (FORCE)")


def _run(folder: DataFolder, database_url: str, *arguments: str, command: str = "loppestars-backup") -> int:
    backups = os.environ.get("BACKUP_DIR")
    environment = {**os.environ, "DATABASE_URL": database_url, "STORAGE_DIR": str(folder.storage)}
    if not os.environ.get("BACKUP_S3_BUCKET"):
        # Beside the data folder, which a mishap may take away as a whole.
        environment["BACKUP_DIR"] = backups or f"{folder.path}-backups"
    return subprocess.run([program(command), *arguments], env=environment, check=False).returncode  # noqa: S603 - ours
