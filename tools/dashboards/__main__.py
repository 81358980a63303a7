"""Draw the chart's dashboards: `python -m tools.dashboards` (`make dashboard-pictures`).

A real Prometheus answers their queries about a made-up market day; Grafana itself is not needed.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from loppestars_local.ports import free_ports
from tools.dashboards.draw import draw_dashboard
from tools.dashboards.prometheus import Line, Prometheus, PrometheusMissing, serving
from tools.dashboards.sample import END, HOURS, open_metrics
from tools.house import REPOSITORY

DASHBOARDS: Final = REPOSITORY / "charts/loppestars-operator/files/dashboards"
PICTURES: Final = REPOSITORY / "docs" / "pictures"
_START: Final = END - HOURS * 3600
_STEP_SECONDS: Final = 120
_VARIABLES: Final = {"$namespace": ".*", "$stack": ".*", "$__rate_interval": "4m"}


def pictures(prometheus: Prometheus) -> dict[str, str]:
    """Return the SVG of each dashboard by its name."""

    def answer(query: str) -> list[Line]:
        for name, value in _VARIABLES.items():
            query = query.replace(name, value)
        return prometheus.lines(query, _START, END, _STEP_SECONDS)

    found = sorted(DASHBOARDS.glob("*.json"))
    return {path.stem: draw_dashboard(json.loads(path.read_text()), answer, _START, END) for path in found}


def main() -> int:
    """Write the pictures; return 2 where there is no Prometheus."""
    try:
        with tempfile.TemporaryDirectory() as name, serving(open_metrics(), Path(name), free_ports(1)[0]) as prometheus:
            for dashboard, svg in pictures(prometheus).items():
                target = PICTURES / f"dashboard-{dashboard}.svg"
                target.write_text(svg, encoding="utf-8")
                sys.stdout.write(f"Wrote {target.relative_to(REPOSITORY)}.\n")
    except PrometheusMissing as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
