"""Two releases on one database: the older one's SQL works on the newer schema, until a migration says that it ends."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import select

from loppestars_core.database import migrate as migrating
from loppestars_core.database.base import Base
from loppestars_core.database.migrate import IncompatibleSchema, alembic_config, migrate, migration_engine
from loppestars_local.postgres import EmbeddedPostgres
from tests.core.database.test_first_schema import FIRST_USED, ROWS, rows_of

THIS, NEXT, LATER = "0.1.0", "0.2.0", "0.3.0"
# What the first release did to rows that were there: claims, results, crawls that end, limits, roles taken back.
OLD_WORK: Final = """
UPDATE photos SET state = 'processing', attempts = attempts + 1, claim_token = gen_random_uuid(), started_at = now()
 WHERE id = '00000000-0000-0000-0000-00000000d002' AND state = 'pending';
INSERT INTO photo_variants (photo_id, kind, bucket, key, format, width, height, bytes)
    VALUES ('00000000-0000-0000-0000-00000000d002', 'processed', 'stall-photos-processed', 'u1/2-x.jpg', 'image/jpeg',
            640, 480, 12345);
UPDATE photos SET state = 'completed', visibility = 'public', faces = 2, finished_at = now()
 WHERE id = '00000000-0000-0000-0000-00000000d002';
INSERT INTO crawl_runs (id, trigger, state, sources) VALUES ('00000000-0000-0000-0000-00000000c002', 'schedule',
    'pending', '{loppemarkeder}');
UPDATE crawl_runs SET state = 'running', started_at = now() WHERE id = '00000000-0000-0000-0000-00000000c002';
UPDATE market_sightings SET missed_crawls = 0, content_hash = 'other', last_seen_at = now();
UPDATE markets SET name = 'Nyt navn', search_name = 'nyt navn'
 WHERE external_id = 'm|1';
INSERT INTO rate_limits (key, arrival) VALUES ('photos:u1', now()) ON CONFLICT (key) DO UPDATE SET arrival = now();
DELETE FROM role_grants WHERE user_id = 'u2';
DELETE FROM crawled_pages;
"""
COLUMNS: Final = """
SELECT table_name || '.' || column_name, data_type, is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
       AND is_generated = 'NEVER'
  FROM information_schema.columns WHERE table_schema = 'public'
"""
EXPAND: Final = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9001", "{head}", None, None
oldest_compatible = "0.1.0"
def upgrade():
    op.execute("ALTER TABLE markets ADD COLUMN price_text text")
    op.execute("UPDATE markets SET price_text = entry_fee::text")
    op.execute("SELECT pg_sleep({seconds})")
"""
CONTRACT: Final = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "9002", "9001", None, None
oldest_compatible = "0.2.0"
def upgrade():
    op.execute("ALTER TABLE markets DROP COLUMN entry_fee")
"""
# A process of its own, so that it can be killed.
MIGRATE: Final = """
import sys; from pathlib import Path
from loppestars_core.database import migrate
migrate._MIGRATIONS = Path(sys.argv[2])
with migrate.migration_engine(sys.argv[1]).connect() as connection:
    migrate.migrate(connection)
"""


@pytest.fixture
def url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"pair_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    yield postgres.owner_url(name)
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make this process one of a later release: its version, and its migrations after those of today."""
    ours = migrating._MIGRATIONS
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()

    def become(version: str, *, seconds: float = 0) -> Path:
        folder = tmp_path / version
        shutil.copytree(ours, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        if version != THIS:
            (folder / "versions" / "9001_expand.py").write_text(EXPAND.format(head=head, seconds=seconds))
        if version == LATER:
            (folder / "versions" / "9002_contract.py").write_text(CONTRACT)
        monkeypatch.setattr(migrating, "_MIGRATIONS", folder)
        monkeypatch.setattr(migrating, "installed_version", lambda _name: version)
        return folder

    return become


def bring_up(url: str) -> list[str]:
    engine = migration_engine(url)
    with engine.connect() as connection:
        applied = migrate(connection)
    engine.dispose()
    return applied


def columns(url: str) -> dict[str, tuple[str, bool]]:
    """Return type of each column, and whether an INSERT has to name it."""
    with psycopg.connect(url) as connection:
        return {name: (kind, needed) for name, kind, needed in connection.execute(COLUMNS)}


def works(url: str, statements: str) -> None:
    """Run statements as the older release does: as the tables' user, without a word on whom it acts for."""
    with psycopg.connect(url) as connection:
        connection.execute(statements.encode())


class TestOldSqlOnNewSchemas:
    def test_each_migration_only_adds(self, url: str) -> None:
        """No column goes, changes its type or has to be named by an INSERT that never heard of it."""
        scripts = ScriptDirectory.from_config(alembic_config())
        revisions = [script for script in reversed(list(scripts.walk_revisions())) if script.revision >= FIRST_USED]
        engine, before = migration_engine(url), dict[str, tuple[str, bool]]()
        with engine.connect() as connection:
            for script in revisions:
                command.upgrade(alembic_config(connection), script.revision)
                connection.commit()
                after = columns(url)
                if script.module.oldest_compatible == THIS:
                    assert before.keys() <= after.keys(), script.path
                    known = {name.partition(".")[0] for name in before}
                    for name, (kind, needed) in after.items():
                        if name in before:
                            assert kind == before[name][0], f"{script.path}: {name} was {before[name][0]}"
                            assert not needed or before[name][1], f"{script.path}: {name} may not be left out any more"
                        elif name.partition(".")[0] in known:
                            assert not needed, f"{script.path}: an older INSERT does not name {name}"
                before = after
        engine.dispose()

    def test_the_first_release_goes_on(self, url: str) -> None:
        """What it wrote, reads and changes works on today's schema as it did on its own."""
        bring_up(url)
        works(url, ROWS)
        works(url, OLD_WORK)
        found = rows_of(url)
        assert {photo["state"] for photo in found["photos"]} == {"completed"}
        assert {market["name"] for market in found["markets"]} == {"Nyt navn", "Aflyst"}


class TestReleasePair:
    def test_expand(self, url: str, release: Callable[..., Path]) -> None:
        """The next release adds a column: this one finds its database fine, reads every table and writes rows."""
        bring_up(url)
        works(url, ROWS)
        release(NEXT)
        assert bring_up(url) == ["9001"]
        release(THIS)
        assert bring_up(url) == []
        engine = migration_engine(url)
        with engine.connect() as connection:
            for table in Base.metadata.sorted_tables:
                connection.execute(select(table)).all()
        engine.dispose()
        works(url, OLD_WORK)

    def test_contract(self, url: str, release: Callable[..., Path]) -> None:
        """A column goes that the release before does without: that one stays, the one before it is refused."""
        release(LATER)
        assert bring_up(url)[-2:] == ["9001", "9002"]
        release(NEXT)
        assert bring_up(url) == []
        release(THIS)
        with pytest.raises(IncompatibleSchema, match=r"use release 0\.2\.0"):
            bring_up(url)

    def test_killed(self, url: str, release: Callable[..., Path]) -> None:
        """Kill -9 amid a migration: the schema is the old one, this release serves, the next try goes on."""
        bring_up(url)
        works(url, ROWS)
        folder = release(NEXT, seconds=2)
        with subprocess.Popen([sys.executable, "-c", MIGRATE, url, str(folder)]) as process:
            deadline = time.monotonic() + 60
            with psycopg.connect(url, autocommit=True) as connection:
                asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                while connection.execute(asleep).fetchall() != [(1,)]:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
        assert "markets.price_text" not in columns(url)
        works(url, "SET lock_timeout = '10s'; UPDATE markets SET name = 'Nyt navn'")
        release(NEXT)
        assert bring_up(url) == ["9001"]
        assert "markets.price_text" in columns(url)
        assert {market["price_text"] for market in rows_of(url)["markets"]} == {"25.50", None}
