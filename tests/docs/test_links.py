"""Links within the documentation lead somewhere."""

import re
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "*/README.md", "charts/*/README.md")
    for page in REPOSITORY.glob(pattern)
    if ".venv" not in page.parts
)
# Fenced blocks hold shell and code, where brackets mean other things.
FENCED: Final = re.compile(r"```.*?```", re.DOTALL)
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


class TestLinks:
    """Every page of the documentation."""

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
    def test_target(self, page: Path) -> None:
        """A relative link names a file or folder that exists."""
        links = LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
        paths = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
        assert not [path for path in paths if path and not (page.parent / path).exists()]
