"""The map of sample markets is what its command draws."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


class TestMap:
    """docs/pictures/markets.svg."""

    def test_is_up_to_date(self) -> None:
        """`make docs` would change nothing, and every sample market is on it."""
        specification = importlib.util.spec_from_file_location("market_map_docs", DOCS / "market_map.py")
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        drawn = module.drawn()
        assert (DOCS / "pictures" / "markets.svg").read_text(encoding="utf-8") == drawn
        assert drawn.count("<circle") > 50
