"""The embedded PostgreSQL: made once, survives a crash, never left behind."""

import os
import signal
import tempfile
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

    def test_initdb_that_was_killed_half_way(self, directory: Path) -> None:
        """What an interrupted first start left is no cluster and does not disturb the next start."""
        (directory / ".initdb-dead" / "cluster").mkdir(parents=True)
        (directory / ".initdb-dead" / "cluster" / "PG_VERSION").write_text("18\n")
        server = EmbeddedPostgres(directory)
        server.start()
        server.stop()

    def test_says_why_it_did_not_start(self, directory: Path) -> None:
        """The message holds the server's own words."""
        server = EmbeddedPostgres(directory, {"shared_buffers": "nonsense"})
        with pytest.raises(PostgresDidNotStart, match="nonsense"):
            server.start()
