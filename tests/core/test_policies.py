"""Every table says what it holds of people, and what is too old goes."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.kit.clock import now_utc
from loppestars_core.privacy import retention
from loppestars_core.privacy.policies import POLICIES, Erasure
from loppestars_core.privacy.retention import count_expired, run_retention
from loppestars_core.tables import Base


class TestPolicies:
    def test_every_table_is_registered(self) -> None:
        """A new table fails here until its owner, retention, export and erasure are decided."""
        assert set(POLICIES) == set(Base.metadata.tables)

    def test_owner_columns_are_foreign_keys_with_a_delete_rule(self) -> None:
        """Each owner column refers to users and says what happens when the user goes; the audit log keeps a name."""
        for name, policy in POLICIES.items():
            if policy.owner is None or name == "users" or policy.erasure is Erasure.KEEP:
                continue
            keys = list(Base.metadata.tables[name].c[policy.owner].foreign_keys)
            assert [key.target_fullname for key in keys] == ["users.id"], name
            assert keys[0].ondelete, name

    def test_each_retention_has_somebody_who_deletes(self) -> None:
        """By the sweep, along with another row, or by the API's own sweep of rate limits."""
        by_others = {"crawl_sources", "rate_limits", "rate_windows"}
        kept_for_a_time = {name for name, policy in POLICIES.items() if policy.retention_days is not None}
        swept = {name for name, policy in POLICIES.items() if policy.since}
        assert swept | by_others == kept_for_a_time
        assert not swept & by_others
        for name in swept:
            assert POLICIES[name].since in Base.metadata.tables[name].c


_ROWS = """
INSERT INTO crawl_runs (id, trigger, state, finished_at, created_at)
  SELECT gen_random_uuid(), 'schedule', 'succeeded', now() - age, now() - age
  FROM unnest(ARRAY[interval '366 days', interval '364 days']) AS age;
INSERT INTO crawl_runs (id, trigger, state, created_at)
  VALUES (gen_random_uuid(), 'schedule', 'running', now() - interval '400 days');
INSERT INTO crawl_sources (run_id, source) SELECT id, 'a' FROM crawl_runs;
INSERT INTO crawl_failed_items (run_id, source, reason, created_at)
  SELECT run.id, 'a', 'b', now() - age
  FROM crawl_runs AS run, unnest(ARRAY[interval '91 days', interval '89 days']) AS age WHERE state = 'running';
INSERT INTO crawled_pages (url, body, fetched_at)
  SELECT age::text, ''::bytea, now() - age FROM unnest(ARRAY[interval '31 days', interval '29 days']) AS age;
INSERT INTO audit_log (actor_kind, action, subject_type, subject_id, at)
  SELECT 'user', 'x', 'x', 'x', now() - age FROM unnest(ARRAY[interval '731 days', interval '729 days']) AS age;
INSERT INTO domain_events (subject_type, subject_id, event, at)
  SELECT 'x', 'x', 'x', now() - age FROM unnest(ARRAY[interval '91 days', interval '89 days']) AS age,
  generate_series(1, 7);
INSERT INTO retention_runs (started_at, finished_at) VALUES (now() - interval '366 days', now() - interval '366 days')
"""


def found(counts: dict[str, int]) -> dict[str, int]:
    """The tables in which anything was too old."""
    return {table: rows for table, rows in counts.items() if rows}


class TestRetention:
    async def test_only_what_is_too_old_goes(self, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        """In batches; a run that has not finished stays, however old; a second time finds nothing."""
        monkeypatch.setattr(retention, "_BATCH", 3)
        async with engine.begin() as connection:
            for statement in _ROWS.split(";"):
                await connection.execute(text(statement))
        expected = {"crawl_runs": 1, "crawl_failed_items": 1, "crawled_pages": 1, "audit_log": 1, "domain_events": 7}
        expected |= {"retention_runs": 1}
        tables = Base.metadata.tables
        assert found(await count_expired(engine, tables, now_utc())) == expected
        assert found(await run_retention(engine, tables, now_utc())) == expected
        async with engine.begin() as connection:
            left = {
                name: (
                    await connection.execute(select(func.count()).select_from(Base.metadata.tables[name]))
                ).scalar_one()
                for name in (*expected, "crawl_sources")
            }
        assert left == {
            "crawl_runs": 2,
            "crawl_failed_items": 1,
            "crawled_pages": 1,
            "audit_log": 1,
            "domain_events": 7,
            "crawl_sources": 2,
            "retention_runs": 1,
        }
        assert set((await run_retention(engine, tables, now_utc() - timedelta(days=1))).values()) == {0}
        async with engine.begin() as connection:
            runs = (await connection.execute(text("SELECT finished_at, deleted FROM retention_runs ORDER BY id"))).all()
        assert [run.deleted["domain_events"] for run in runs] == [7, 0]
        assert all(run.finished_at for run in runs)
