"""The lock that only one crawl holds: a PostgreSQL advisory lock on a connection of its own."""

import contextlib
from typing import Any, Final, Self

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.database.engine import connect_directly
from loppestars_core.kit.settings import DatabaseSettings

# Any constant serves: it only has to differ from the other advisory locks of the product.
CRAWL_LOCK: Final = 0x10995_0002


class CrawlLock:
    """Use `async with CrawlLock(settings) as lock`, then look at `lock.acquired`."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self.acquired = False

    async def __aenter__(self) -> Self:
        self._connection = await connect_directly(self._settings, application="loppestars-crawl-lock")
        row = await (await self._connection.execute("SELECT pg_try_advisory_lock(%s)", (CRAWL_LOCK,))).fetchone()
        self.acquired = bool(row and row[0])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            if self.acquired:
                # Closing releases it too, but only when the server has noticed.
                with contextlib.suppress(psycopg.Error):
                    await self._connection.execute("SELECT pg_advisory_unlock(%s)", (CRAWL_LOCK,))
            await self._connection.close()
        self.acquired = False

    async def still_held(self) -> bool:
        """False when the connection was lost, and the lock with it: the crawl must stop."""
        if self._connection is None or not self.acquired:
            return False
        try:
            await self._connection.execute("SELECT 1")
        except psycopg.Error:
            self.acquired = False
        return self.acquired


async def lock_is_held(session: AsyncSession) -> bool:
    """Return whether any process holds the lock, without trying to take it (a try could make a crawl give up)."""
    found = await session.execute(
        text(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid = (:key >> 32)::bigint::oid AND objid = (:key & 4294967295)::bigint::oid)"
        ),
        {"key": CRAWL_LOCK},
    )
    return bool(found.scalar_one())
