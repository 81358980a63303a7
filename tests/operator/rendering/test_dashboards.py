"""The chart's dashboards: importable, their queries parse, and ask for metrics that the code exports."""

import json
import re
from pathlib import Path

import pytest

from tests.factories.promtool import check_rules

ROOT = Path(__file__).resolve().parents[3]
DASHBOARDS = sorted((ROOT / "charts/loppestars-operator/files/dashboards").glob("*.json"))
VARIABLES = {"$namespace": ".*", "$stack": ".*", "$__rate_interval": "2m"}
SUFFIXES = ("_total", "_bucket", "_sum", "_count")


def queries(path: Path) -> list[str]:
    """Every expression of a dashboard, its variables replaced by what they stand for."""
    expressions = [target["expr"] for panel in json.loads(path.read_text())["panels"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        expressions = [expression.replace(name, value) for expression in expressions]
    return expressions


def exported_names() -> set[str]:
    """Metric names in the components' source, without the suffixes that exposition adds."""
    text = "\n".join(path.read_text() for path in ROOT.glob("*/loppestars_*/**/*.py"))
    return {name.removesuffix("_total") for name in re.findall(r'"(loppestars_[a-z_]+)"', text)}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
class TestDashboard:
    def test_can_be_imported(self, path: Path) -> None:
        """A stable identity of its own, panels that do not overlap, a data source that the reader chooses."""
        dashboard = json.loads(path.read_text())
        assert dashboard["uid"] == f"loppestars-{path.stem}"
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
            }  # fmt: skip
            assert not cells & taken, panel["title"]
            assert place["x"] + place["w"] <= 24
            taken |= cells
            assert panel["datasource"]["uid"] == "${datasource}"
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])

    def test_queries_parse(self, path: Path, tmp_path: Path) -> None:
        """Promtool reads each of them."""
        rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries(path))]
        assert "$" not in "".join(queries(path))
        assert check_rules(tmp_path, [{"name": path.stem, "rules": rules}]) == ""

    def test_metrics_are_exported(self, path: Path) -> None:
        """A renamed metric does not leave an empty panel behind."""
        asked = {name for query in queries(path) for name in re.findall(r"\bloppestars_[a-z_]+", query)}
        for suffix in SUFFIXES:
            asked = {name.removesuffix(suffix) for name in asked}
        assert asked <= exported_names(), asked - exported_names()


class TestDashboards:
    """The chart's dashboards: importable, their queries parse, and ask for metrics that the code exports."""

    def test_the_four_are_there(self) -> None:
        """Platform, imaging, crawler, operator."""
        assert [path.stem for path in DASHBOARDS] == ["crawler", "imaging", "operator", "platform"]
