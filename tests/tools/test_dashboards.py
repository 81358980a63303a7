"""Pictures of the dashboards: every query of theirs has an answer, and the pictures in docs show every panel."""

import json
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path

import pytest

from loppestars_local.ports import free_ports
from tests.factories.required import leave_out
from tools.dashboards.__main__ import DASHBOARDS, PICTURES, pictures
from tools.dashboards.draw import shown
from tools.dashboards.prometheus import Prometheus, serving
from tools.dashboards.sample import open_metrics

NAMES = [path.stem for path in sorted(DASHBOARDS.glob("*.json"))]


def titles(name: str) -> list[str]:
    """Return the titles of a dashboard's panels, as far as the narrowest has room for them."""
    return [escape(panel["title"])[:18] for panel in json.loads((DASHBOARDS / f"{name}.json").read_text())["panels"]]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if shutil.which("prometheus") is None:
        leave_out("needs prometheus: install Debian's package prometheus")
    with serving(open_metrics(), tmp_path_factory.mktemp("prometheus"), free_ports(1)[0]) as server:
        yield server


class TestPictures:
    def test_every_query_has_an_answer(self, prometheus: Prometheus) -> None:
        """A panel that is new, or whose metric has another name, needs a line in the sample."""
        drawn = pictures(prometheus)
        assert sorted(drawn) == NAMES
        assert {name: svg.count("No data") for name, svg in drawn.items()} == dict.fromkeys(NAMES, 0)

    @pytest.mark.parametrize("name", NAMES)
    def test_docs_show_every_panel(self, name: str) -> None:
        """After a change of a dashboard: `make dashboard-pictures`."""
        picture = Path(PICTURES / f"dashboard-{name}.svg").read_text()
        assert [title for title in titles(name) if title not in picture] == []


class TestShown:
    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (0.0404, "percentunit", "4.04 %"),
            (4.4e9, "bytes", "4.1 GiB"),
            (0.0813, "s", "81.3 ms"),
            (3500, "s", "58.3 mins"),
            (16_600, "short", "16.6 K"),
            (25, "reqps", "25 req/s"),
        ],
    )
    def test_units(self, value: float, unit: str, text: str) -> None:
        """As Grafana writes them."""
        assert shown(value, unit) == text
