"""The order of migrations, without a database."""

import ast
import re
from pathlib import Path
from typing import Final

import loppestars_core

VERSIONS: Final = Path(loppestars_core.__file__).parent / "database" / "migrations" / "versions"
REVISION: Final = re.compile(r'^(revision|down_revision) = (?:"(\w+)"|None)$', re.MULTILINE)

# On tables that are small, or whose migration says why it cannot; a table that grows with visitors may not join them.
LOCKED: Final = {"0005": "markets", "0010": "markets", "0014": "market_sightings", "0020": "domain_events"}


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Return the calls of `op.<name>`."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in found if isinstance(call.func, ast.Attribute) and call.func.attr == name]


class TestIndexes:
    def test_nobody_waits_for_one(self) -> None:
        """An index on a table that is there already is made CONCURRENTLY: others would stop every writer."""
        locked = {}
        for path in sorted(VERSIONS.glob("0*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            made = {ast.literal_eval(call.args[0]) for call in calls(tree, "create_table")}
            for call in calls(tree, "create_index"):
                table = ast.literal_eval(call.args[1])
                if table not in made and "postgresql_concurrently" not in {word.arg for word in call.keywords}:
                    locked[path.name.split("_")[0]] = table
        assert locked == LOCKED


class TestOrder:
    def test_one_line(self) -> None:
        """Each migration follows another one, no two follow the same, and each has the number of its file."""
        follows: dict[str, str] = {}
        for path in sorted(VERSIONS.glob("0*.py")):
            said = dict(REVISION.findall(path.read_text(encoding="utf-8")))
            assert said["revision"] == path.name.split("_")[0], path.name
            assert said["revision"] not in follows, path.name
            follows[said["revision"]] = said["down_revision"]
        assert len(set(follows.values())) == len(follows)
        (head,) = follows.keys() - set(follows.values())
        assert set(follows.values()) - {""} == follows.keys() - {head}
