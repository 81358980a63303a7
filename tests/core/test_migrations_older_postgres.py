"""Migrations on the oldest PostgreSQL that people run: what version 18 forgives, version 15 refuses."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from loppestars_core.database.migrate import migrate, migration_engine

NOBODY = 65534
OLDER_THAN = 17


def older_programs() -> Path | None:
    """The directory of an installed server before version 17 (Debian's layout)."""
    for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        if int(directory.parent.name) < OLDER_THAN and (directory / "initdb").exists():
            return directory
    return None


@pytest.fixture(scope="module")
def older_postgres() -> Iterator[str]:
    """URL of an empty database on a server of an older version, reached by a Unix socket only."""
    programs = older_programs()
    if programs is None:
        pytest.skip("no PostgreSQL before version 17 is installed in /usr/lib/postgresql")
    # PostgreSQL refuses to run as root, and pytest's directories are closed to others.
    user = NOBODY if os.geteuid() == 0 else os.geteuid()
    directory = Path(tempfile.mkdtemp(prefix="loppestars-postgres-"))
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    data = directory / "data"
    initdb = [programs / "initdb", "--pgdata", data, "--username=test", "--auth=trust", "--no-sync", "--encoding=UTF8"]
    subprocess.run(initdb, user=user, check=True, capture_output=True, cwd=directory)
    options = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off"
    control = [programs / "pg_ctl", "--pgdata", data, "--wait", "--log", directory / "log"]
    subprocess.run([*control, "--options", options, "start"], user=user, check=True, capture_output=True, cwd=directory)
    try:
        yield f"postgresql://test@/postgres?host={directory}"
    finally:
        stop = [*control, "--mode=immediate", "stop"]
        subprocess.run(stop, user=user, check=True, capture_output=True, cwd=directory)
        shutil.rmtree(directory)


class TestMigrationsOlderPostgres:
    """Migrations on the oldest PostgreSQL that people run: what version 18 forgives, version 15 refuses."""

    def test_from_nothing_and_after_a_kill(self, older_postgres: str) -> None:
        """All migrations apply; one that was killed between two of the queue's files goes on where it stopped."""
        with psycopg.connect(older_postgres, autocommit=True) as connection:
            connection.execute("CREATE DATABASE whole")
            connection.execute("CREATE DATABASE killed")
        for database in ("whole", "killed"):
            url = older_postgres.replace("/postgres?", f"/{database}?")
            engine = migration_engine(url)
            with engine.connect() as connection:
                if database == "killed":
                    # What a kill in the middle of the second migration leaves: the first file applied and noted.
                    name = "00.00.00_01_initial.sql"
                    first = "CREATE TABLE loppestars_queue_files (name text PRIMARY KEY)"
                    connection.execute(text(first))
                    connection.execute(text("INSERT INTO loppestars_queue_files VALUES (:name)"), {"name": name})
                    folder = files("procrastinate.sql.migrations")
                    connection.exec_driver_sql((folder / name).read_text().replace("%", "%%"))
                    connection.commit()
                assert "0002" in migrate(connection)
                left = connection.execute(text("SELECT to_regclass('loppestars_queue_files')")).scalar()
                assert left is None
                states = connection.execute(text("SELECT enum_range(NULL::procrastinate_job_status)::text")).scalar()
                assert "aborted" in str(states)
            engine.dispose()
