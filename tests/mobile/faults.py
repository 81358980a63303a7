"""What goes wrong on a server while a phone refreshes its session, and is mended again."""

import signal
import threading
import time
from collections.abc import Callable

import httpx
import psycopg
from psycopg import sql

from loppestars_local.postgres import EmbeddedPostgres
from tests.factories.running_api import RunningApi
from tests.mobile.conftest import Server

FROZEN_SECONDS = 1.5


class Faults:
    """Each method is what a script asks for with a line `do <method>`."""

    def __init__(
        self, server: Server, start: Callable[..., RunningApi], postgres: EmbeddedPostgres, database_url: str
    ) -> None:
        self.server = server
        self.start = start
        self.name = database_url.rpartition("/")[2].partition("?")[0]
        self.database_url = database_url
        self.superuser = psycopg.connect(postgres.url(), autocommit=True)
        self.locker: psycopg.Connection | None = None

    def do(self, action: str) -> None:
        getattr(self, action)()

    def close(self) -> None:
        """Mend what is still broken."""
        self.unlock()
        self._allow(allowed=True)
        self.superuser.close()

    def database_away(self) -> None:
        self._allow(allowed=False)
        self.superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self.name])

    def database_back(self) -> None:
        self._allow(allowed=True)

    def lock(self) -> None:
        self.locker = psycopg.connect(self.database_url)
        self.locker.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")

    def empty_pool(self) -> None:
        """Let writes that wait for a lock hold every connection of the pool."""
        self.locker = psycopg.connect(self.database_url)
        self.locker.execute("LOCK TABLE ratings IN ACCESS EXCLUSIVE MODE")
        run = self.server.run
        headers = {"apikey": run["key"], "Authorization": f"Bearer {run['tokens']['other']}"}
        path = f"{run['url']}/rest/v1/ratings?id=eq.{run['markets']['over']}"

        def hold() -> None:
            httpx.delete(path, headers=headers, timeout=60)

        size = int(self.server.variables["DATABASE_POOL_SIZE"])
        for _ in range(size):
            threading.Thread(target=hold, daemon=True).start()
        while self.superuser.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() != (size,):
            time.sleep(0.05)

    def unlock(self) -> None:
        if self.locker is not None:
            self.locker.close()

    def limit(self) -> None:
        """Restart with a small allowance, and use it up."""
        self._restart(RATE_LIMIT_LISTS_PER_MINUTE="5")
        with httpx.Client() as client:
            for _ in range(20):
                if client.get(f"{self.server.run['url']}/markets/today?limit=1").status_code == 429:
                    return
        raise AssertionError("no limit")

    def unlimited(self) -> None:
        self._restart(RATE_LIMIT_LISTS_PER_MINUTE="0")

    def break_schema(self) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE sessions RENAME COLUMN counter TO counted")

    def mend_schema(self) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE sessions RENAME COLUMN counted TO counter")

    def freeze(self) -> None:
        process = self.server.api.process
        process.send_signal(signal.SIGSTOP)
        threading.Timer(FROZEN_SECONDS, process.send_signal, [signal.SIGCONT]).start()

    def api_away(self) -> None:
        self.server.api.process.send_signal(signal.SIGTERM)
        self.server.api.process.wait(30)

    def api_back(self) -> None:
        self.server.api = self.start(**self.server.variables)

    def _restart(self, **changes: str) -> None:
        self.api_away()
        self.server.variables |= changes
        self.api_back()

    def _allow(self, *, allowed: bool) -> None:
        statement = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        self.superuser.execute(statement.format(sql.Identifier(self.name), sql.Literal(allowed)))
