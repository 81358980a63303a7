"""The embedded PostgreSQL: made once, survives a crash, never left behind."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from loppestars_local.postgres import EmbeddedPostgres, PostgresDidNotStart


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder that the server's user can reach, with a space and a letter that is not ASCII in its name."""
    with tempfile.TemporaryDirectory(prefix="løppe stars-") as name:
        yield Path(name) / "data"


class TestEmbeddedPostgres:
    def test_kill_and_restart(self, directory: Path) -> None:
        """Kill -9 of the server loses nothing that was committed."""
        server = EmbeddedPostgres(directory)
        server.start()
        server.ensure_database("loppestars")
        server.ensure_database("loppestars")
        with psycopg.connect(server.url("loppestars")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        server.stop()
        again = EmbeddedPostgres(directory)
        again.start()
        try:
            with psycopg.connect(again.url("loppestars")) as connection:
                assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        finally:
            again.stop()
        assert not (directory / "postmaster.pid").exists()

    @pytest.mark.parametrize("where", [".data-initdb-dead", "data/.initdb-dead"])
    def test_killed_initdb(self, directory: Path, where: str) -> None:
        """What an interrupted first start left is no cluster, does not disturb the next start, and is removed."""
        leftover = directory.parent / where / "cluster"
        leftover.mkdir(parents=True)
        (leftover / "PG_VERSION").write_text("18\n")
        server = EmbeddedPostgres(directory)
        server.start()
        server.stop()
        assert not leftover.parent.exists()

    def test_whole_or_not_at_all(self, directory: Path) -> None:
        """At no moment of the first start is there a part of it under its name; kill -9 may come at any."""
        code = (
            "import sys, pathlib; from loppestars_local.postgres import EmbeddedPostgres; "
            "EmbeddedPostgres(pathlib.Path(sys.argv[1])).initialise()"
        )
        with subprocess.Popen([sys.executable, "-c", code, directory]) as process:
            while process.poll() is None:
                there = {item.name for item in directory.iterdir()} if directory.exists() else set()
                assert not there or {"PG_VERSION", "base", "global", "pg_wal", "postgresql.conf"} <= there
                time.sleep(0.001)
        assert process.returncode == 0

    def test_other_files(self, directory: Path) -> None:
        """One sentence with the folder's name, and nothing of it is touched."""
        directory.mkdir()
        (directory / "base").mkdir()
        (directory / "base" / "diary.txt").write_text("mine")
        with pytest.raises(PostgresDidNotStart, match=r"data is not empty and holds no database.*[Mm]ove it away"):
            EmbeddedPostgres(directory).start()
        assert (directory / "base" / "diary.txt").read_text() == "mine"

    def test_plain_owner(self, directory: Path) -> None:
        """What uses a database is no superuser and owns it; what an earlier release's superuser made is handed over."""
        server = EmbeddedPostgres(directory)
        server.start()
        try:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("CREATE DATABASE loppestars")
            with psycopg.connect(server.url("loppestars"), autocommit=True) as connection:
                connection.execute("CREATE TYPE mood AS ENUM ('good')")
                connection.execute("CREATE TABLE old (id int GENERATED ALWAYS AS IDENTITY, n bigserial, mood mood)")
                connection.execute("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
                connection.execute("CREATE VIEW seen AS SELECT * FROM old")
            server.ensure_database("loppestars")
            with psycopg.connect(server.owner_url("loppestars"), autocommit=True) as connection:
                found = connection.execute(
                    "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = user"
                )
                assert found.fetchone() == (False, False, False)
                connection.execute("ALTER TABLE old ADD COLUMN more text")
                connection.execute("ALTER TYPE mood ADD VALUE 'bad'")
                connection.execute("DROP VIEW seen")
                connection.execute("DROP FUNCTION one()")
                connection.execute("CREATE TABLE new (id int)")
        finally:
            server.stop()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide a folder from the server's user")
    def test_private_parents(self, directory: Path) -> None:
        """As root: the server runs as another user below folders that only root may enter, and none is opened."""
        hidden = directory.parent / "hidden"
        hidden.mkdir(mode=0o700)
        server = EmbeddedPostgres(hidden / "data")
        server.start()
        try:
            assert server.process is not None
            assert Path(f"/proc/{server.process.pid}").stat().st_uid != 0
            with psycopg.connect(server.url()) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
        finally:
            server.stop()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
    def test_wrong_owner(self, directory: Path) -> None:
        """A folder restored from a backup with other owners: a sentence with the command that mends it."""
        EmbeddedPostgres(directory).initialise()
        os.chown(directory, 1234, -1)
        with pytest.raises(PostgresDidNotStart, match=r"belongs to user 1234.*chown -R \d+"):
            EmbeddedPostgres(directory).start()

    @pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
    def test_full_disk(self, directory: Path) -> None:
        """The sentence says that the disk is full, and nothing is left that would disturb the next start."""
        small = directory.parent / "small"
        small.mkdir()
        mounted = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=8m,mode=0777", "tmpfs", small], check=False)
        if mounted.returncode:
            pytest.skip("no file system may be mounted here")
        try:
            with pytest.raises(PostgresDidNotStart, match="is full"):
                EmbeddedPostgres(small / "data").start()
            assert list(small.iterdir()) == []
        finally:
            subprocess.run(["/bin/umount", small], check=True)

    def test_reason(self, directory: Path) -> None:
        """The message holds the server's own words."""
        server = EmbeddedPostgres(directory, {"shared_buffers": "nonsense"})
        with pytest.raises(PostgresDidNotStart, match="nonsense"):
            server.start()
