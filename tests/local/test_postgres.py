"""The embedded PostgreSQL: made once, survives a crash, never left behind."""

import os
import signal
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
    def test_data_survives_kill_and_restart(self, directory: Path) -> None:
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
    def test_initdb_that_was_killed_half_way(self, directory: Path, where: str) -> None:
        """What an interrupted first start left is no cluster, does not disturb the next start, and is removed."""
        leftover = directory.parent / where / "cluster"
        leftover.mkdir(parents=True)
        (leftover / "PG_VERSION").write_text("18\n")
        server = EmbeddedPostgres(directory)
        server.start()
        server.stop()
        assert not leftover.parent.exists()

    def test_a_cluster_appears_whole_or_not_at_all(self, directory: Path) -> None:
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

    def test_what_is_no_cluster_is_left_alone(self, directory: Path) -> None:
        """One sentence with the folder's name, and nothing of it is touched."""
        directory.mkdir()
        (directory / "base").mkdir()
        (directory / "base" / "diary.txt").write_text("mine")
        with pytest.raises(PostgresDidNotStart, match=r"data is not empty and holds no database.*[Mm]ove it away"):
            EmbeddedPostgres(directory).start()
        assert (directory / "base" / "diary.txt").read_text() == "mine"

    def test_says_why_it_did_not_start(self, directory: Path) -> None:
        """The message holds the server's own words."""
        server = EmbeddedPostgres(directory, {"shared_buffers": "nonsense"})
        with pytest.raises(PostgresDidNotStart, match="nonsense"):
            server.start()
