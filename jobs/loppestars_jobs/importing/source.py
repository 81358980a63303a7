"""Rows of an old Supabase project: of its database, of a dump of it, or of CSV files.

Values are text as PostgreSQL writes it, or None, whatever they come from.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Final, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Row = Mapping[str, str | None]

TABLES: Final = (
    "auth.users",
    "auth.identities",
    "public.markets",
    "public.ratings",
    "public.events",
    "public.user_roles",
)
# A cell of a CSV file may be a whole document.
_MAX_CELL: Final = 16 * 1024 * 1024
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class NotASource(ValueError):
    """There is nothing to import from; the message says what was expected."""


class Source(Protocol):
    """An old project."""

    def rows(self, table: str) -> Sequence[Row]:
        """Return all rows of a table of `TABLES`; none where the project has no such table."""


def open_source(place: str) -> Source:
    """Return the project at a PostgreSQL URL, in a dump, or in a folder of CSV files. Raise `NotASource`."""
    if place.startswith(("postgresql://", "postgres://")):
        return DatabaseSource(place)
    path = Path(place)
    if path.is_dir():
        return FolderSource(path)
    if path.is_file():
        return DumpSource(path)
    raise NotASource(
        f"{place}: expected a PostgreSQL URL, a dump by pg_dump, or a folder with users.csv, ratings.csv …"
    )


class DatabaseSource:
    """The old database itself; it is only read."""

    def __init__(self, url: str) -> None:
        self._url = url

    def rows(self, table: str) -> Sequence[Row]:
        """Return all rows of a table."""
        schema, _, name = table.partition(".")
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            connection.read_only = True
            if connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == {"to_regclass": None}:
                return []
            found = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name)))
            return [{key: _text(value) for key, value in row.items()} for row in found]


class FolderSource:
    """CSV files with a header, named after their tables: `users.csv` or `auth.users.csv`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not any(self._path(table) for table in TABLES):
            names = ", ".join(f"{table.partition('.')[2]}.csv" for table in TABLES)
            raise NotASource(f"{folder}: expected CSV files named {names}")

    def rows(self, table: str) -> Sequence[Row]:
        """Return all rows of a file; an empty cell is nothing."""
        path = self._path(table)
        if path is None:
            return []
        csv.field_size_limit(_MAX_CELL)
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [{key: value or None for key, value in row.items()} for row in csv.DictReader(file)]

    def _path(self, table: str) -> Path | None:
        names = (f"{table}.csv", f"{table.partition('.')[2]}.csv", f"{table.replace('.', '_')}.csv")
        return next((path for name in names if (path := self._folder / name).is_file()), None)


class DumpSource:
    """A plain dump by pg_dump, also compressed by gzip."""

    def __init__(self, path: Path) -> None:
        self._tables: dict[str, list[Row]] = {}
        with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as data:
            file = io.TextIOWrapper(data, encoding="utf-8")
            for table, rows in _copied(file):
                self._tables.setdefault(table, []).extend(rows)
        if not self._tables:
            raise NotASource(
                f"{path}: expected COPY blocks of {', '.join(TABLES)}; make it with pg_dump --format=plain"
            )

    def rows(self, table: str) -> Sequence[Row]:
        """Return all rows of a table."""
        return self._tables.get(table, [])


def _copied(file: IO[str]) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each COPY block of a table that is wanted."""
    for line in file:
        if not line.startswith("COPY "):
            continue
        head, _, columns = line.removeprefix("COPY ").partition(" (")
        names = [name.strip().strip('"') for name in columns.partition(")")[0].split(",")]
        rows: list[Row] = []
        for data in file:
            if data.rstrip("\n") == "\\.":
                break
            cells = data.rstrip("\n").split("\t")
            rows.append(dict(zip(names, map(_unescaped, cells), strict=True)))
        table = head.replace('"', "").strip()
        if table in TABLES:
            yield table, rows


def _unescaped(cell: str) -> str | None:
    """Return a cell of COPY's text format; backslash and N are nothing."""
    if cell == "\\N":
        return None
    if "\\" not in cell:
        return cell
    first, *parts = cell.split("\\")
    text, parts = first, list(parts)
    while parts:
        part = parts.pop(0)
        if part:
            text += _ESCAPES.get(part[0], part[0]) + part[1:]
        else:  # of two backslashes one stays
            text += "\\" + (parts.pop(0) if parts else "")
    return text


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever a column holds
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
