"""Everything is deleted and comes back: database and files of a real installation."""

import asyncio
import base64
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr, ValidationError

from loppestars_backup.cli import main, open_vault
from loppestars_backup.create import create_backup, outdated
from loppestars_backup.database import DatabaseCommandFailed, ProgramMissing, dump, find_programs, restore, snapshot
from loppestars_backup.settings import BackupSettings
from loppestars_backup.vault import BackupDamaged
from loppestars_core.database.migrate import migrate, migration_engine
from loppestars_core.storage.factory import open_storage
from loppestars_core.storage.interface import Storage
from loppestars_local import postgres as postgres_module
from loppestars_local.postgres import EmbeddedPostgres
from tests.factories.s3_server import S3Server, running_s3_server

KEY = base64.b64encode(bytes(range(32))).decode()
PROCESSED, ORIGINALS = "stall-photos-processed", "stall-photos"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> BackupSettings:
    return BackupSettings(
        database_url=SecretStr(database_url), storage_dir=str(tmp_path / "storage"), backup_dir=tmp_path / "backups"
    )


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return list(cursor.fetchall()) if cursor.description else []


def fill(url: str, storage: Path) -> None:
    """Three published photos with their bytes, and an original that is still private."""
    execute(url, "INSERT INTO users (id) VALUES ('u1')")
    for number in range(3):
        key = f"u1/{number}.jpg"
        execute(
            url,
            "WITH photo AS (INSERT INTO photos (id, owner_id, original_key, state, visibility, finished_at) "  # noqa: S608 - ours
            f"VALUES (gen_random_uuid(), 'u1', 'o/{number}.jpg', 'no_faces', 'public', now()) RETURNING id) "
            "INSERT INTO photo_variants (photo_id, kind, bucket, key, format, width, height, bytes) "
            f"SELECT id, 'processed', '{PROCESSED}', '{key}', 'image/jpeg', 1, 1, 1 FROM photo",
        )
        write(storage / PROCESSED / key, b"photo %d" % number)
    write(storage / ORIGINALS / "u1" / "9.jpg", b"private")


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def create(settings: BackupSettings) -> Any:
    return asyncio.run(create_backup(settings, open_storage(settings), open_vault(settings)))


async def create_later(settings: BackupSettings) -> None:
    await create_backup(settings, open_storage(settings), open_vault(settings))


class TestEverythingDeleted:
    @pytest.mark.parametrize("key", ["", KEY])
    def test_comes_back(
        self,
        settings: BackupSettings,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        key: str,
    ) -> None:
        """On the command line: create, lose everything, restore; rows and bytes are the same."""
        url, storage = settings.direct_url, tmp_path / "storage"
        for name, value in {
            "DATABASE_URL": url, "STORAGE_DIR": str(storage), "BACKUP_DIR": str(tmp_path / "backups"),
            "BACKUP_ENCRYPTION_KEY": key,
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        fill(url, storage)
        rows, before = execute(url, "SELECT id, owner_id FROM photos ORDER BY id"), files(storage)
        main(["create", "--json"])
        assert json.loads(capsys.readouterr().out)[0]["files"] == 4
        execute(url, "DROP SCHEMA public CASCADE")
        shutil.rmtree(storage)
        main(["verify"])
        main(["restore"])
        assert execute(url, "SELECT id, owner_id FROM photos ORDER BY id") == rows
        assert files(storage) == before
        # The restored database can be used on: its sequences go on, its migrations are known.
        execute(url, "INSERT INTO users (id) VALUES ('u2')")
        stored = b"".join(files(tmp_path / "backups").values())
        assert (b"photo 1" in stored) is (key == "")

    def test_older_server(self, older_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """pg_restore is newer than the server and sets a parameter that it does not know: all comes back still."""
        for name, value in {
            "DATABASE_URL": older_server, "STORAGE_DIR": str(tmp_path / "storage"), "BACKUP_DIR": str(tmp_path / "b"),
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        fill(older_server, tmp_path / "storage")
        main(["create"])
        execute(older_server, "DROP SCHEMA public CASCADE")
        main(["restore"])
        assert execute(older_server, "SELECT count(*) FROM photos") == [(3,)]

    def test_half_a_dump(self, settings: BackupSettings, tmp_path: Path) -> None:
        """It changes nothing: psql does not commit what pg_restore could not finish."""
        url = settings.direct_url
        programs = find_programs(180_000, None)

        async def halves() -> list[bytes]:
            async with snapshot(url) as of:
                whole = b"".join([part async for part in dump(url, of, programs, 1 << 20)])
            return [whole[: len(whole) // 2]]

        async def restore_half(parts: list[bytes]) -> None:
            async def given() -> AsyncIterator[bytes]:
                for part in parts:
                    yield part

            await restore(url, given(), programs)

        half = asyncio.run(halves())
        execute(url, "DROP SCHEMA public CASCADE")
        with pytest.raises(DatabaseCommandFailed, match="pg_restore ended with 1"):
            asyncio.run(restore_half(half))
        assert execute(url, "SELECT FROM pg_namespace WHERE nspname = 'public'") == []

    def test_other_bucket_server(self, settings: BackupSettings, tmp_path: Path, s3: S3Server) -> None:
        """Backups on an S3 server: the same."""
        fill(settings.direct_url, tmp_path / "storage")
        remote = settings.model_copy(
            update={
                "backup_dir": None,
                "backup_s3_bucket": "backups",
                "backup_s3_endpoint_url": s3.endpoint_url,
                "backup_s3_region": s3.region,
                "backup_s3_access_key_id": SecretStr(s3.access_key_id),
                "backup_s3_secret_access_key": SecretStr(s3.secret_access_key),
            }
        )
        made = create(remote)
        assert asyncio.run(open_vault(remote).newest()) == made


@pytest.fixture(scope="module")
def older_server() -> Iterator[str]:
    """A migrated database of PostgreSQL 16, which the wheel carries, too."""
    newest = postgres_module.find_binaries()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="loppestars-test-") as folder:
        patch.setattr(postgres_module, "find_binaries", lambda: newest.parents[1] / "pginstall" / "bin")
        server = EmbeddedPostgres(Path(folder) / "data", {"fsync": "off"})
        server.start()
        try:
            server.ensure_database("loppestars")
            engine = migration_engine(server.owner_url("loppestars"))
            with engine.connect() as connection:
                migrate(connection)
            engine.dispose()
            yield server.owner_url("loppestars")
        finally:
            server.stop()


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with running_s3_server(tmp_path / "s3") as server:
        (tmp_path / "s3" / "objects" / "backups").mkdir()
        yield server


class TestAgreement:
    def test_deleted_meanwhile(self, settings: BackupSettings, tmp_path: Path) -> None:
        """A file that the snapshot names and a sweep deletes during the backup is in it all the same."""
        storage = tmp_path / "storage"
        fill(settings.direct_url, storage)
        deleting = _DeletesAfterFirstList(open_storage(settings), storage / PROCESSED / "u1" / "0.jpg")
        made = asyncio.run(create_backup(settings, deleting, open_vault(settings)))
        assert made.missing == []
        assert f"{PROCESSED}/u1/0.jpg" in {item.path for item in made.objects}

    def test_lost_before(self, settings: BackupSettings, tmp_path: Path) -> None:
        """A published photo whose bytes are gone is named, not passed over."""
        fill(settings.direct_url, tmp_path / "storage")
        (tmp_path / "storage" / PROCESSED / "u1" / "1.jpg").unlink()
        assert create(settings).missing == [f"{PROCESSED}/u1/1.jpg"]

    def test_only_changes(self, settings: BackupSettings, tmp_path: Path) -> None:
        """The second backup stores new bytes only; with BACKUP_KEEP=1 the first and what only it named are gone."""
        storage, vault = tmp_path / "storage", tmp_path / "backups"
        fill(settings.direct_url, storage)
        first = create(settings)
        (storage / PROCESSED / "u1" / "0.jpg").unlink()
        write(storage / PROCESSED / "u1" / "3.jpg", b"photo 3")
        execute(settings.direct_url, "DELETE FROM photo_variants WHERE key = 'u1/0.jpg'")
        second = create(settings.model_copy(update={"backup_keep": 1}))
        assert asyncio.run(open_vault(settings).backup_ids()) == [second.id]
        assert b"photo 3" in files(vault).values()
        assert b"photo 1" in files(vault).values()
        assert b"photo 0" not in files(vault).values()
        assert first.id != second.id


class TestRetention:
    def test_outdated(self) -> None:
        """By number and by age; the newest stays though it is old."""
        ids = ["20261101T030000.000000Z-aaaa", "20261115T030000.000000Z-bbbb", "20261120T030000.000000Z-cccc"]
        now = datetime(2026, 12, 31, tzinfo=UTC)
        assert outdated(ids, 0, 0, now) == []
        assert outdated(ids, 2, 0, now) == ids[:1]
        assert outdated(ids, 0, 50, now) == ids[:1]
        assert outdated(ids, 0, 1, now) == ids[:2]
        assert outdated(ids[:1], 1, 1, now) == []

    def test_waits_for_another(self, settings: BackupSettings) -> None:
        """Its deletion would take what this one has copied and not yet named."""
        with psycopg.connect(settings.direct_url, autocommit=True) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [0x10995_0003])
            with pytest.raises(TimeoutError):
                asyncio.run(asyncio.wait_for(create_later(settings), 1))
        assert create(settings).id


class TestDamage:
    def test_verify(self, settings: BackupSettings, tmp_path: Path) -> None:
        """One changed byte is found, and a restore from it leaves the database as it was."""
        fill(settings.direct_url, tmp_path / "storage")
        made = create(settings)
        part = next((tmp_path / "backups").rglob(made.dump[0].name))
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes(data)
        environment(settings)
        with pytest.raises(SystemExit):
            main(["verify"])
        with pytest.raises(SystemExit):
            main(["restore", "--replace"])
        assert execute(settings.direct_url, "SELECT count(*) FROM photos") == [(3,)]

    def test_other_key(self, settings: BackupSettings) -> None:
        """With another key nothing is read."""
        made = create(settings.model_copy(update={"backup_encryption_key": SecretStr(KEY)}))
        other = settings.model_copy(update={"backup_encryption_key": SecretStr(base64.b64encode(bytes(32)).decode())})
        with pytest.raises(BackupDamaged, match="another one"):
            asyncio.run(open_vault(other).manifest(made.id))

    def test_not_empty(self, settings: BackupSettings, capsys: pytest.CaptureFixture[str]) -> None:
        """A database that holds something is replaced only when told so."""
        create(settings)
        environment(settings)
        with pytest.raises(SystemExit):
            main(["restore"])
        assert "--replace" in capsys.readouterr().err


class TestDrill:
    def test_figures(
        self,
        settings: BackupSettings,
        postgres: EmbeddedPostgres,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Counts are compared, each published photo has its bytes, and both times are printed."""
        fill(settings.direct_url, tmp_path / "storage")
        create(settings)
        environment(settings)
        postgres.ensure_database("scratch_for_drill")
        capsys.readouterr()
        main(["drill", "--json", "--scratch-url", postgres.owner_url("scratch_for_drill")])
        found = json.loads(capsys.readouterr().out)
        assert found["problems"] == []
        assert found["published_photos"] == 3
        assert found["recovery_time_seconds"] > 0
        assert found["recovery_point_seconds"] > 0

    def test_own_database(self, settings: BackupSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It is never the one that is thrown away, and whoever started the drill reads why."""
        fill(settings.direct_url, tmp_path / "storage")
        create(settings)
        environment(settings)
        os.environ["TERMINATION_MESSAGE_PATH"] = str(tmp_path / "message")
        with pytest.raises(SystemExit):
            main(["drill", "--scratch-url", settings.direct_url])
        assert "the installation's own" in capsys.readouterr().err
        assert "the installation's own" in json.loads((tmp_path / "message").read_text())["error"]
        assert execute(settings.direct_url, "SELECT count(*) FROM photos") == [(3,)]


class TestMessage:
    def test_of_a_backup(self, settings: BackupSettings, tmp_path: Path) -> None:
        """Its moment and its size; lost files fail it unless they are tolerated."""
        fill(settings.direct_url, tmp_path / "storage")
        (tmp_path / "storage" / PROCESSED / "u1" / "1.jpg").unlink()
        environment(settings)
        os.environ["TERMINATION_MESSAGE_PATH"] = str(tmp_path / "message")
        with pytest.raises(SystemExit):
            main(["create"])
        main(["create", "--tolerate-missing"])
        left = json.loads((tmp_path / "message").read_text())
        assert (left["files"], left["missing"]) == (3, 1)
        assert left["bytes"] > 0


class TestPrograms:
    def test_too_old(self, tmp_path: Path) -> None:
        """A pg_dump older than the server is refused with what to install."""
        program = tmp_path / "pg_dump"
        program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.3'\n")
        program.chmod(0o755)
        with pytest.raises(ProgramMissing, match=r"PostgreSQL 18 or newer.*has version 15"):
            find_programs(180_000, tmp_path)
        assert find_programs(150_000, tmp_path) == tmp_path


class TestSettings:
    @pytest.mark.parametrize("key", ["short", base64.b64encode(b"16 bytes of key.").decode()])
    def test_wrong_key(self, settings: BackupSettings, key: str) -> None:
        """A key of another length is refused before anything is copied."""
        with pytest.raises(ValidationError, match="BACKUP_ENCRYPTION_KEY must be 32 bytes"):
            BackupSettings(**{**dict(settings), "backup_encryption_key": SecretStr(key)})

    def test_one_destination(self, settings: BackupSettings) -> None:
        """A folder or a bucket."""
        with pytest.raises(ValidationError, match="BACKUP_DIR or BACKUP_S3_BUCKET"):
            BackupSettings(**{**dict(settings), "backup_dir": None})


@pytest.fixture(autouse=True)
def _environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))


def environment(settings: BackupSettings) -> None:
    """The variables that say the same as `settings`, until the test ends."""
    os.environ |= {
        "DATABASE_URL": settings.direct_url,
        "STORAGE_DIR": str(settings.storage_dir),
        "BACKUP_DIR": str(settings.backup_dir),
    }


class _DeletesAfterFirstList:
    """A storage in which a sweep deletes a file as soon as a first pass has read everything."""

    def __init__(self, storage: Storage, victim: Path) -> None:
        self._storage = storage
        self._victim = victim
        self._reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def get(self, bucket: str, key: str, max_bytes: int) -> bytes:
        self._reads += 1
        data = await self._storage.get(bucket, key, max_bytes)
        if self._reads == 4:
            self._victim.unlink()
        return data
