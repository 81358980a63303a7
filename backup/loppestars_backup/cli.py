"""The commands of `loppestars-backup`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import psycopg
import typer

from loppestars_backup.create import create_backup
from loppestars_backup.database import DatabaseCommandFailed, DatabaseInUse, DatabaseNotEmpty, ProgramMissing
from loppestars_backup.manifest import Manifest
from loppestars_backup.message import MAX_MESSAGE_CHARACTERS, leave_message
from loppestars_backup.restore import restore_backup
from loppestars_backup.settings import BackupSettings
from loppestars_backup.vault import BackupDamaged, BackupNotFound, Vault
from loppestars_backup.verify import damaged_blobs
from loppestars_backup.verify import drill as run_drill
from loppestars_core.kit.cli import Json, epilog, fail, program, show, show_json
from loppestars_core.kit.cli import run as run_app
from loppestars_core.kit.logging import configure_logging, redact_text
from loppestars_core.kit.settings import describe, load_settings
from loppestars_core.storage.factory import open_storage
from loppestars_core.storage.files import FileStorage
from loppestars_core.storage.interface import Storage, StorageError
from loppestars_core.storage.s3 import S3Storage, make_client

Result = TypeVar("Result")
Backup = Annotated[str, typer.Argument(metavar="[ID]", help="id of a backup; by default the newest")]
_REFUSALS: Final = (
    BackupNotFound,
    BackupDamaged,
    DatabaseInUse,
    DatabaseNotEmpty,
    DatabaseCommandFailed,
    ProgramMissing,
    StorageError,
)
# Buckets of a folder are its subfolders: the backups are in one.
_FOLDER_BUCKET: Final = "loppestars-backups"

app: Final = program(
    "loppestars-backup",
    "Back up the database and the photos of an installation, together and while it runs, and restore them.",
    local=True,
    epilog=epilog(
        describe(BackupSettings),
        examples=[
            "BACKUP_DIR=/backups loppestars-backup create --local     what `make run` runs",
            "loppestars-backup list",
            "loppestars-backup verify                                 reads every byte of the newest backup",
            "loppestars-backup drill --scratch-url postgresql://…     restores it into a database to throw away",
            "loppestars-backup restore 20261129T093000.000000Z-a1b2 --replace",
        ],
        notes="exit codes:\n  0  done\n  1  failed, incomplete or damaged\n  2  wrong usage or settings",
    ),
)


@app.command()
def create(
    *,
    tolerate_missing: Annotated[
        bool, typer.Option("--tolerate-missing", help="succeed though storage has lost files that rows name")
    ] = False,
    json: Json = False,
) -> None:
    """Make a backup; only what changed since the last one is copied."""

    async def make(settings: BackupSettings, storage: Storage, vault: Vault) -> Manifest:
        made = await create_backup(settings, storage, vault)
        leave_message(
            settings.termination_message_path,
            {
                "backup": made.id,
                "takenAt": f"{made.snapshot_at:%Y-%m-%dT%H:%M:%SZ}",
                "bytes": made.total_bytes,
                "files": len(made.objects),
                "missing": len(made.missing),
            },
        )
        return made

    manifest = _run(make)
    _show([manifest], json=json)
    if manifest.missing and not tolerate_missing:
        names = "\n".join(f"  {path}" for path in manifest.missing[:20])
        fail(f"{len(manifest.missing)} files that the database names are not in storage:\n{names}")


@app.command("list")
def list_(*, json: Json = False) -> None:
    """Show all backups, oldest first."""

    async def manifests(_settings: BackupSettings, _storage: Storage, vault: Vault) -> list[Manifest]:
        return [await vault.manifest(backup_id) for backup_id in await vault.backup_ids()]

    _show(_run(manifests), json=json)


@app.command()
def verify(backup: Backup = "") -> None:
    """Read every byte of a backup and compare checksums."""

    async def check(_settings: BackupSettings, _storage: Storage, vault: Vault) -> tuple[Manifest, list[str]]:
        manifest = await _chosen(vault, backup)
        return manifest, await damaged_blobs(vault, manifest)

    manifest, problems = _run(check)
    if problems:
        fail("\n".join([f"backup {manifest.id} is damaged:", *problems]))
    typer.echo(f"backup {manifest.id} is whole: {len(manifest.objects)} files, {manifest.total_bytes} bytes")


@app.command()
def restore(
    backup: Backup = "",
    *,
    replace: Annotated[bool, typer.Option("--replace", help="drop what the database holds first")] = False,
) -> None:
    """Restore database and files. Stop the platform before, or start it afterwards."""

    async def put_back(settings: BackupSettings, storage: Storage, vault: Vault) -> str:
        manifest = await _chosen(vault, backup)
        restored = await restore_backup(settings, storage, vault, manifest, replace=replace)
        return (
            f"backup {manifest.id} is restored: {sum(manifest.tables.values())} rows, "
            f"{restored.written} files written, {restored.present} were there"
        )

    typer.echo(_run(put_back))


@app.command()
def drill(
    backup: Backup = "",
    *,
    scratch_url: Annotated[
        str, typer.Option(help="database to throw away; what it holds is dropped", envvar="SCRATCH_DATABASE_URL")
    ],
    json: Json = False,
) -> None:
    """Restore into a database to throw away, compare what came back, and print recovery time and recovery point."""

    async def rehearse(settings: BackupSettings, _storage: Storage, vault: Vault) -> dict[str, Any]:
        manifest = await _chosen(vault, backup)
        done = await run_drill(settings, vault, manifest, scratch_url)
        leave_message(
            settings.termination_message_path,
            {
                "backup": manifest.id,
                "recoveryTimeSeconds": round(done.recovery_time.total_seconds(), 1),
                "recoveryPointSeconds": round(done.recovery_point.total_seconds(), 1),
                "error": "; ".join(done.problems)[:MAX_MESSAGE_CHARACTERS] or None,
            },
        )
        return {
            "backup": manifest.id,
            "rows": done.rows,
            "published_photos": done.published_photos,
            "recovery_time_seconds": round(done.recovery_time.total_seconds(), 1),
            "recovery_point_seconds": round(done.recovery_point.total_seconds(), 1),
            "problems": done.problems,
        }

    found = _run(rehearse)
    if json:
        show_json(found)
    else:
        show([{"what": name, "value": value} for name, value in found.items() if name != "problems"])
    if found["problems"]:
        fail("\n".join(["the restored installation is not what was saved:", *found["problems"]]))


def main(arguments: list[str] | None = None) -> None:
    """Run the command that the command line names, and exit with its code."""
    run_app(app, arguments)


def _run(work: Callable[[BackupSettings, Storage, Vault], Awaitable[Result]]) -> Result:
    settings = load_settings(BackupSettings)
    configure_logging("backup", settings.log_level, stream=sys.stderr)

    async def with_storage() -> Result:
        return await work(settings, open_storage(settings), open_vault(settings))

    try:
        return asyncio.run(with_storage())
    except _REFUSALS as error:
        why = str(error)
    except (psycopg.Error, OSError) as error:
        why = f"the database cannot be reached or refused: {redact_text(str(error))}"
    leave_message(settings.termination_message_path, {"error": why[:MAX_MESSAGE_CHARACTERS]})
    return fail(why)


def open_vault(settings: BackupSettings) -> Vault:
    """Return the destination that the settings name."""
    if settings.backup_dir is not None:
        return Vault(FileStorage(settings.backup_dir, "", b""), _FOLDER_BUCKET, settings.key)
    access, secret = settings.backup_s3_access_key_id, settings.backup_s3_secret_access_key
    endpoint = settings.backup_s3_endpoint_url

    def client() -> Any:  # noqa: ANN401 - boto3's
        return make_client(
            endpoint_url=str(endpoint).rstrip("/") if endpoint else None,
            region=settings.backup_s3_region,
            path_style=settings.backup_s3_path_style,
            access_key_id=access.get_secret_value() if access else None,
            secret_access_key=secret.get_secret_value() if secret else None,
        )

    return Vault(S3Storage(client, "", None), str(settings.backup_s3_bucket), settings.key)


async def _chosen(vault: Vault, backup: str) -> Manifest:
    return await vault.manifest(backup) if backup else await vault.newest()


def _show(manifests: list[Manifest], *, json: bool) -> None:
    show(
        [
            {
                "id": manifest.id,
                "snapshot_at": f"{manifest.snapshot_at:%Y-%m-%d %H:%M:%S%z}",
                "rows": sum(manifest.tables.values()),
                "files": len(manifest.objects),
                "bytes": manifest.total_bytes,
                "missing": len(manifest.missing),
            }
            for manifest in manifests
        ],
        json=json,
    )
