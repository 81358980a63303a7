"""Deletes rows that have been kept as long as `policies` says."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.database.registry import Base
from loppestars_core.privacy.policies import POLICIES, TablePolicy

_BATCH = 5_000
"""Rows a transaction deletes: short enough that nobody waits for its locks."""


async def delete_expired(engine: AsyncEngine, now: datetime) -> dict[str, int]:
    """Return how many rows went from each table that has a time of retention.

    Safe to repeat, to kill, and to run twice at once: what is gone is gone, batch by batch.
    """
    return {name: await _delete_from(engine, name, policy, now) for name, policy in POLICIES.items() if policy.since}


async def _delete_from(engine: AsyncEngine, name: str, policy: TablePolicy, now: datetime) -> int:
    if policy.since is None or policy.retention_days is None:
        return 0
    table = Base.metadata.tables[name]
    key = next(iter(table.primary_key.columns))
    oldest = now - timedelta(days=policy.retention_days)
    # A row without the time (a run that has not finished) is not compared, and stays.
    due = select(key).where(table.c[policy.since] < oldest).limit(_BATCH).with_for_update(skip_locked=True)
    count = 0
    while True:
        async with engine.begin() as connection:
            result = await connection.execute(delete(table).where(key.in_(due.scalar_subquery())))
        count += result.rowcount
        if result.rowcount < _BATCH:
            return count
