"""A database of the first revision that was used comes to today's schema with every row as it was."""

import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from alembic import command
from sqlalchemy import text

from loppestars_core.database.migrate import alembic_config, migrate, migration_engine
from loppestars_local.postgres import EmbeddedPostgres

FIRST_USED: Final = "0005"
# One row of each table as it was then, in an order that foreign keys allow.
ROWS: Final = """
INSERT INTO users (id, created_at, deleted_at) VALUES ('u1', '2026-01-01', NULL), ('u2', '2026-01-01', '2026-02-01');
INSERT INTO identities (user_id, issuer, subject) VALUES ('u1', 'https://id.example.dk', 'u1');
INSERT INTO role_grants (user_id, role, granted_by, notes) VALUES ('u1', 'admin', NULL, 'the first'),
    ('u2', 'organiser', 'u1', NULL);
INSERT INTO crawl_runs (id, trigger, state, sources, requested_by, started_at, finished_at, seen, new, skipped, failed)
    VALUES ('00000000-0000-0000-0000-00000000c001', 'api', 'succeeded', '{markedskalenderen}', 'u1', now(), now(),
            9, 2, 3, 4);
INSERT INTO crawl_sources (run_id, source, state, seen, new, error)
    VALUES ('00000000-0000-0000-0000-00000000c001', 'markedskalenderen', 'failed', 9, 2, 'no answer');
INSERT INTO crawl_failed_items (run_id, source, reason, url, snippet)
    VALUES ('00000000-0000-0000-0000-00000000c001', 'markedskalenderen', 'no date', 'https://example.dk/1', '<td>');
INSERT INTO crawled_pages (url, etag, body) VALUES ('https://example.dk/', '"1"', '\\x00ff');
INSERT INTO markets (id, series_id, external_id, state, name, municipality, category, start_date, end_date, address,
                     city, postal_code, latitude, longitude, organizer_phone, organizer_email, entry_fee, stall_count,
                     has_parking, is_indoor, source_url, loppemarkeder_nu, search_name)
    VALUES ('00000000-0000-0000-0000-00000000a001', '00000000-0000-0000-0000-00000000b001', 'm|1', 'scheduled',
            'Loppemarked på torvet', 'Køge', 'Loppemarked', '2026-06-06', '2026-06-07', 'Torvet 1', 'Køge', '4600',
            55.456, 12.182, '12345678', 'os@example.dk', 25.5, 12, true, false, 'https://example.dk/1',
            '{"id": 7, "venue": "Torvet"}', 'loppemarked pa torvet'),
           ('00000000-0000-0000-0000-00000000a002', '00000000-0000-0000-0000-00000000b001', 'm|2', 'cancelled',
            'Aflyst', NULL, 'Marked', '2026-07-01', '2026-07-01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            NULL, false, true, NULL, NULL, 'aflyst');
INSERT INTO market_sightings (market_id, source, external_id, url, raw, content_hash, missed_crawls, crawl_run_id)
    VALUES ('00000000-0000-0000-0000-00000000a001', 'markedskalenderen', 'm|1', 'https://example.dk/1',
            '{"source": "markedskalenderen", "external_id": "m|1", "rank": 10, "name": "Loppemarked på torvet",
              "category": "Loppemarked", "start_date": "2026-06-06", "end_date": "2026-06-07", "city": "Køge"}',
            'hash', 1, '00000000-0000-0000-0000-00000000c001');
INSERT INTO market_overrides (market_id, field, value, set_by)
    VALUES ('00000000-0000-0000-0000-00000000a001', 'opening_hours', '"10-16"', 'u1');
INSERT INTO market_redirects (id, market_id)
    VALUES ('00000000-0000-0000-0000-00000000a003', '00000000-0000-0000-0000-00000000a001');
INSERT INTO geocodes (address_key, provider, latitude, longitude, confidence, rejected_reason)
    VALUES ('torvet 1, 4600 koge', 'nominatim', 55.456, 12.182, 0.9, NULL),
           ('ukendt', 'nominatim', NULL, NULL, NULL, 'the provider knows no such place');
INSERT INTO photos (id, owner_id, subject, original_key, content_hash, state, visibility, options, attempts, faces)
    VALUES ('00000000-0000-0000-0000-00000000d001', 'u1', 'rating', 'u1/1.jpg', 'abc', 'completed', 'public',
            '{"mode": "blur"}', 1, 3),
           ('00000000-0000-0000-0000-00000000d002', 'u1', 'rating', 'u1/2.jpg', NULL, 'pending', 'private', '{}', 0,
            NULL);
INSERT INTO photo_variants (photo_id, kind, bucket, key, format, width, height, bytes)
    VALUES ('00000000-0000-0000-0000-00000000d001', 'processed', 'stall-photos-processed', 'u1/1-x.jpg',
            'image/jpeg', 640, 480, 12345);
INSERT INTO audit_log (actor_kind, actor_id, action, subject_type, subject_id, before, after)
    VALUES ('user', 'u1', 'crawl.trigger', 'crawl_run', '00000000-0000-0000-0000-00000000c001', NULL, '{"limit": 5}');
INSERT INTO domain_events (subject_type, subject_id, event, payload)
    VALUES ('photo', '00000000-0000-0000-0000-00000000d001', 'photo.completed', '{"faces": 3}');
INSERT INTO rate_limits (key, arrival) VALUES ('photos:u1', now());
INSERT INTO procrastinate_workers DEFAULT VALUES;
INSERT INTO procrastinate_jobs (queue_name, task_name, lock, args, status, queueing_lock)
    VALUES ('photos', 'photos.process', NULL, '{"photo_id": "00000000-0000-0000-0000-00000000d002"}', 'todo',
            'photo:00000000-0000-0000-0000-00000000d002');
INSERT INTO procrastinate_periodic_defers (task_name, defer_timestamp, job_id, periodic_id)
    VALUES ('sweep', 1, (SELECT max(id) FROM procrastinate_jobs), 'sweep');
"""
# Search columns are computed again when the words that they are made of change.
COMPUTED: Final = {"markets": {"search_name", "search_terms"}, "alembic_version": {"version_num"}}

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def old_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a database of that revision, with rows, and nothing later."""
    name = f"old_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    url = postgres.owner_url(name)
    engine = migration_engine(url)
    with engine.connect() as connection:
        command.upgrade(alembic_config(connection), FIRST_USED)
        connection.commit()
    engine.dispose()
    with psycopg.connect(url) as connection:
        connection.execute(ROWS.encode())
    yield url
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def rows_of(url: str) -> Rows:
    """Return every row of every table, as JSON, in an order of its own."""
    found: Rows = {}
    with psycopg.connect(url, options="-c loppestars.role=system") as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            statement = f'SELECT to_jsonb(t) FROM "{table}" AS t'  # noqa: S608 - names of the catalogue
            rows = connection.execute(statement.encode()).fetchall()
            found[table] = sorted((row[0] for row in rows), key=json.dumps)
    return found


class TestFirstSchema:
    def test_every_table_has_a_row(self, old_url: str) -> None:
        """The rows above leave no table out, so that the next test speaks of all of them."""
        empty = {table for table, rows in rows_of(old_url).items() if not rows}
        # `schema_releases` is written by the command; the counters of lists were of a minute.
        assert empty == {"rate_windows", "schema_releases"}

    def test_nothing_is_lost(self, old_url: str) -> None:
        """After all migrations each row is there with each of its values; only columns were added."""
        before = rows_of(old_url)
        engine = migration_engine(old_url)
        with engine.connect() as connection:
            assert migrate(connection)
            assert connection.execute(text("SELECT count(*) FROM schema_releases")).scalar_one() > 0
        engine.dispose()
        after = rows_of(old_url)
        for table, rows in before.items():
            kept = {name for row in rows for name in row} - COMPUTED.get(table, set())
            found = [{name: row.get(name, "no such column") for name in kept} for row in after.get(table, ())]
            for row in rows:
                assert {name: row[name] for name in kept} in found, f"{table}: a row is lost or was changed"
