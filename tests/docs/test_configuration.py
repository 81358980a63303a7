"""The parts of the documentation that are made from the code are what the code says."""

import importlib.util
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).resolve().parents[2] / "docs"


def load(name: str) -> ModuleType:
    """A script of the folder docs, as a module."""
    specification = importlib.util.spec_from_file_location(f"{name}_docs", DOCS / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class TestConfiguration:
    def test_is_up_to_date(self) -> None:
        """`make docs` would change nothing."""
        assert (DOCS / "configuration.md").read_text(encoding="utf-8") == load("configuration").document()


class TestCharts:
    def test_are_up_to_date(self) -> None:
        """`make docs` would change nothing."""
        for path, text in load("charts").pages().items():
            assert path.read_text(encoding="utf-8") == text, path

    def test_every_value_is_described(self) -> None:
        """No value that a chart reads is without a word about it, itself or as part of one that has it."""
        charts = load("charts")
        for chart in charts.CHARTS.glob("*/values.yaml"):
            described = charts.described(chart.read_text(encoding="utf-8"))
            for path in _leaves(charts.yaml.safe_load(chart.read_text(encoding="utf-8"))):
                assert any(path == one or path.startswith(f"{one}.") for one in described), f"{chart}: {path}"


def _leaves(values: dict[str, object], prefix: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        inner = _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else []
        found += inner or [f"{prefix}{key}"]
    return found
