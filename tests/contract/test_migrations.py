"""The order of migrations, without a database."""

import re
from pathlib import Path
from typing import Final

import loppestars_core

VERSIONS: Final = Path(loppestars_core.__file__).parent / "database" / "migrations" / "versions"
REVISION: Final = re.compile(r'^(revision|down_revision) = (?:"(\w+)"|None)$', re.MULTILINE)


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
