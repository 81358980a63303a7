"""Delete rows that have been kept as long as `policies` says, and keep a log of the runs."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.privacy.models import RetentionRun
from loppestars_core.privacy.people import Tables
from loppestars_core.privacy.policies import POLICIES

# Rows that a transaction deletes: short enough that nothing waits for its locks.
_BATCH: Final = 5_000


async def run_retention(engine: AsyncEngine, tables: Tables, now: datetime) -> dict[str, int]:
    """Delete what is too old, log the run, and return how many rows went from each table.

    Safe to repeat, to kill, and to run twice at once: what is gone is gone, batch by batch, and a killed run is one
    without an end in the log.
    """
    async with engine.begin() as connection:
        run = (await connection.execute(insert(RetentionRun).returning(RetentionRun.id))).scalar_one()
    deleted: dict[str, int] = {}
    error: str | None = None
    try:
        for table in (tables[name] for name in _expiring()):
            key: Any = next(iter(table.primary_key.columns))
            due = select(key).where(_too_old(table, now)).limit(_BATCH).with_for_update(skip_locked=True)
            gone, deleted[table.name] = _BATCH, 0
            while gone == _BATCH:
                async with engine.begin() as connection:
                    gone = (await connection.execute(delete(table).where(key.in_(due.scalar_subquery())))).rowcount
                deleted[table.name] += gone
    except Exception as failure:
        error = type(failure).__name__
        raise
    finally:
        values = {"finished_at": func.now(), "deleted": deleted, "error": error}
        async with engine.begin() as connection:
            await connection.execute(update(RetentionRun).where(RetentionRun.id == run).values(values))
    return deleted


async def count_expired(engine: AsyncEngine, tables: Tables, now: datetime) -> dict[str, int]:
    """Return how many rows of each table a run at `now` would delete; nothing is changed."""
    counts: dict[str, int] = {}
    async with engine.connect() as connection:
        for name in _expiring():
            statement = select(func.count()).select_from(tables[name]).where(_too_old(tables[name], now))
            counts[name] = (await connection.execute(statement)).scalar_one()
    return counts


def _expiring() -> list[str]:
    return [name for name, policy in POLICIES.items() if policy.since is not None]


def _too_old(table: Table, now: datetime) -> ColumnElement[bool]:
    """Return the condition of expired rows. A row without the time has not ended, and stays."""
    policy = POLICIES[table.name]
    if policy.since is None or policy.retention_days is None:
        raise ValueError(f"{table.name} has no time of retention")
    return table.c[policy.since] < now - timedelta(days=policy.retention_days)
