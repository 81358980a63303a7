"""Advisories about locked packages, from a database like OSV's."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.supply_chain import audit

LOCK = f"sqlparse==0.5.3 \\\n    --hash=sha256:{'1' * 64}\nexample-lib==2.0 \\\n    --hash=sha256:{'2' * 64}\n"


def advisory(name: str = "example-lib", *, events: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    span = {"type": "ECOSYSTEM", "events": events}
    affected = {"package": {"ecosystem": "PyPI", "name": name}, "ranges": [span]}
    return {"id": "PYSEC-1", "summary": "reads too far", "affected": [affected], **more}


@pytest.fixture
def database(tmp_path: Path) -> Callable[..., Path]:
    def write(*advisories: dict[str, Any]) -> Path:
        path = tmp_path / "all.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for number, each in enumerate(advisories):
                archive.writestr(f"{number}.json", json.dumps(each))
        return path

    return write


class TestFindings:
    @pytest.mark.parametrize(
        ("events", "found"),
        [
            ([{"introduced": "0"}], True),
            ([{"introduced": "0"}, {"fixed": "2.0"}], False),
            ([{"introduced": "0"}, {"fixed": "2.0.1"}], True),
            ([{"introduced": "2.1"}], False),
            ([{"introduced": "0"}, {"last_affected": "1.9"}], False),
            ([{"introduced": "0"}, {"last_affected": "2.0"}], True),
            ([{"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "1.5"}, {"fixed": "10.0"}], True),
        ],
    )
    def test_ranges(self, database: Callable[..., Path], events: list[dict[str, str]], *, found: bool) -> None:
        """Versions are compared as versions: 10.0 comes after 2.0."""
        assert bool(audit.findings(database(advisory(events=events)), {"api.txt": LOCK})) is found

    def test_listed_versions(self, database: Callable[..., Path]) -> None:
        """Some advisories list versions and have no range."""
        listed = {"package": {"name": "Example_Lib"}, "versions": ["1.0", "2.0"]}
        (found,) = audit.findings(database({"id": "GHSA-x", "affected": [listed]}), {"api.txt": LOCK})
        assert str(found).startswith("api.txt: example-lib 2.0 has GHSA-x, no fixed version is known")

    def test_withdrawn(self, database: Callable[..., Path]) -> None:
        """An advisory that was taken back does not count."""
        withdrawn = advisory(events=[{"introduced": "0"}], withdrawn="2026-01-01T00:00:00Z")
        assert audit.findings(database(withdrawn), {"api.txt": LOCK}) == []


class TestMain:
    def test_our_locks(self, database: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
        """Exit 1 with a line for each lock that has it; 0 once it is ignored."""
        path = database(advisory("sqlalchemy", events=[{"introduced": "0"}]))
        assert audit.main([f"--database={path}"]) == 1
        assert "api.txt: sqlalchemy " in capsys.readouterr().out
        assert audit.main([f"--database={path}", "--ignore=PYSEC-1"]) == 0

    def test_no_database(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Exit 2, with what to do."""
        assert audit.main([f"--database={tmp_path / 'none.zip'}"]) == 2
        assert "make audit OSV=all.zip" in capsys.readouterr().err
