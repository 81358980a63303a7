"""Rows of an old project, whatever they come from."""

import gzip
from pathlib import Path

import psycopg
import pytest

from loppestars_jobs.importing.source import NotASource, open_source
from loppestars_local.postgres import EmbeddedPostgres

DUMP = """--
-- PostgreSQL database dump
--
SET statement_timeout = 0;
CREATE TABLE public.ratings (id uuid);
COPY public.other (a) FROM stdin;
COPY public.ratings (id) FROM stdin;
\\.

COPY "public"."ratings" ("id", "stall_name", comment, photo_url) FROM stdin;
1\tBod 7 & s\u00f8n\ta\\tb\\nc\\\\nd\t\\N
2\t\\\\N\t\t\\N
\\.

COPY auth.users (id) FROM stdin;
\\.
"""


class TestDump:
    @pytest.mark.parametrize("name", ["dump.sql", "dump.sql.gz"])
    def test_copy(self, tmp_path: Path, name: str) -> None:
        """The text format of COPY with its escapes; what is inside another table's rows is no block."""
        data = DUMP.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        source = open_source(str(tmp_path / name))
        assert source.rows("public.ratings") == [
            {"id": "1", "stall_name": "Bod 7 & s\u00f8n", "comment": "a\tb\nc\\nd", "photo_url": None},
            {"id": "2", "stall_name": "\\N", "comment": "", "photo_url": None},
        ]
        assert source.rows("public.user_roles") == []

    def test_inserts(self, tmp_path: Path) -> None:
        """A dump of INSERT statements is refused with what to do."""
        (tmp_path / "dump.sql").write_text("INSERT INTO ratings VALUES (1);\n")
        with pytest.raises(NotASource, match="pg_dump --format=plain"):
            open_source(str(tmp_path / "dump.sql"))


class TestFolder:
    def test_csv(self, tmp_path: Path) -> None:
        """A header and quoted cells; an empty cell is nothing."""
        (tmp_path / "auth.users.csv").write_text('\ufeffid,email\n1,"a ""b"", c"\n2,\n', encoding="utf-8")
        assert open_source(str(tmp_path)).rows("auth.users") == [
            {"id": "1", "email": 'a "b", c'},
            {"id": "2", "email": None},
        ]
        assert open_source(str(tmp_path)).rows("public.ratings") == []

    def test_nothing(self, tmp_path: Path) -> None:
        """A folder without a table, and no place at all."""
        for place in (tmp_path, tmp_path / "missing"):
            with pytest.raises(NotASource, match="expected"):
                open_source(str(place))


class TestDatabase:
    def test_rows(self, postgres: EmbeddedPostgres) -> None:
        """The old database itself: documents, times and truth as text; a table that is not there is empty."""
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE old_project")
        with psycopg.connect(postgres.url("old_project"), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA auth")
            connection.execute(
                "CREATE TABLE auth.users AS SELECT 1 AS id, '{\"a\": 1}'::jsonb AS data, true AS fine, NULL AS none"
            )
        source = open_source(postgres.url("old_project"))
        assert source.rows("auth.users") == [{"id": "1", "data": '{"a": 1}', "fine": "t", "none": None}]
        assert source.rows("public.ratings") == []
