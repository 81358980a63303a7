"""Migrations: they build what the models say, run once, and know releases that are newer."""

import json
import re
import threading
from importlib.resources import files

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from loppestars_core.database.migrate import IncompatibleSchema, main, migrate, migration_engine
from loppestars_core.tables import Base
from loppestars_local.postgres import EmbeddedPostgres


class TestMigrate:
    def test_schema_is_what_the_models_say(self, database_url: str) -> None:
        """Nothing is left for Alembic to generate: no drift between models and migrations."""
        engine = migration_engine(database_url)
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={"include_name": lambda name, kind, _: kind != "table" or "procrastinate" not in name},
            )
            assert compare_metadata(context, Base.metadata) == []
        engine.dispose()

    def test_twice_applies_nothing(self, database_url: str) -> None:
        """A migrated database is left as it is."""
        engine = migration_engine(database_url)
        with engine.connect() as connection:
            assert migrate(connection) == []
        engine.dispose()

    def test_two_at_once(self, postgres: EmbeddedPostgres) -> None:
        """Two migration jobs at the same moment: one works, the other waits, both succeed."""
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE migrated_twice")
        applied: list[list[str]] = []

        def work() -> None:
            engine = migration_engine(postgres.url("migrated_twice"))
            with engine.connect() as connection:
                applied.append(migrate(connection))
            engine.dispose()

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert min(applied) == []
        assert max(applied)[:2] == ["0001", "0002"]

    @pytest.mark.parametrize(("oldest", "fine"), [("0.0.1", True), ("99.0.0", False)])
    def test_newer_database(self, database_url: str, oldest: str, *, fine: bool) -> None:
        """A revision of the future is accepted exactly when it says that this release can serve it."""
        engine = migration_engine(database_url)
        with engine.connect() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            connection.execute(
                text("INSERT INTO schema_releases VALUES ('9999', '99.0.0', :oldest)"), {"oldest": oldest}
            )
            connection.commit()
            if fine:
                assert migrate(connection) == []
            else:
                with pytest.raises(IncompatibleSchema, match=r"use release 99\.0\.0 or newer"):
                    migrate(connection)
        engine.dispose()

    def test_queue_files_of_the_library_are_all_applied(self) -> None:
        """An update of procrastinate that brings a migration makes this fail until a migration of ours applies it."""
        versions = files("loppestars_core.database.migrations") / "versions"
        applied = max(
            found.group(1)
            for item in versions.iterdir()
            if item.name.endswith(".py") and (found := re.search(r'LAST_FILE = "(.+)"', item.read_text()))
        )
        newest = max(i.name for i in files("procrastinate.sql.migrations").iterdir() if i.name.endswith(".sql"))
        assert applied == newest


class TestCommand:
    def test_unreachable_database(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit code 1 and one line that names the reason and never the password."""
        monkeypatch.setenv("DATABASE_URL", "postgresql://someone:hunter2@127.0.0.1:1/none")
        with pytest.raises(SystemExit) as ended:
            main([])
        assert ended.value.code == 1
        output = capsys.readouterr().out
        assert "cannot be reached" in output
        assert "hunter2" not in output

    def test_wrong_setting(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit code 2, the variable's name and what was expected, not its value."""
        monkeypatch.setenv("DATABASE_URL", "mysql://someone:hunter2@there/none")
        with pytest.raises(SystemExit) as ended:
            main([])
        assert ended.value.code == 2
        error = capsys.readouterr().err
        assert "DATABASE_URL must be a PostgreSQL URL" in error
        assert "hunter2" not in error

    def test_status(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], postgres: EmbeddedPostgres
    ) -> None:
        """--dry-run lists what would be applied and applies nothing; --status shows the same as applied afterwards."""
        postgres.ensure_database("empty_for_status")
        monkeypatch.setenv("DATABASE_URL", postgres.owner_url("empty_for_status"))
        main(["--dry-run", "--json"])
        planned = json.loads(capsys.readouterr().out)
        assert planned
        assert {row["applied"] for row in planned} == {False}
        main([])
        capsys.readouterr()
        main(["--dry-run", "--json"])
        assert json.loads(capsys.readouterr().out) == []
        main(["--status", "--json"])
        assert json.loads(capsys.readouterr().out) == [{**row, "applied": True} for row in planned]
