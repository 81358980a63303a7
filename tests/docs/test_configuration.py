"""The documentation of settings is what the programs read."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


class TestConfiguration:
    def test_is_up_to_date(self) -> None:
        """`make docs` would change nothing."""
        specification = importlib.util.spec_from_file_location("configuration_docs", DOCS / "configuration.py")
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        assert (DOCS / "configuration.md").read_text(encoding="utf-8") == module.document()
