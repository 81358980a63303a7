"""Draws a dashboard from its JSON and the answers to its queries, much as Grafana shows it."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from tools.dashboards.prometheus import Line

Answer = Callable[[str], Sequence[Line]]

# In pixels; Grafana's grid has 24 columns.
_CELL_WIDTH: Final = 50
_CELL_HEIGHT: Final = 30
_GAP: Final = 8
_TITLE: Final = 44
_LEGEND_ROW: Final = 16
_COLOURS: Final = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffcb7d")
_THRESHOLDS: Final = {"green": "#299c46", "red": "#c4162a"}
_STYLE: Final = """
text{font:12px system-ui,sans-serif;fill:#ccccdc}.page{fill:#111217}.panel{fill:#181b1f;stroke:#2c3235}
.title{font-weight:600}.head{font:600 18px system-ui,sans-serif}.small{font-size:11px;fill:#9fa7b3}
.value{font:600 30px system-ui,sans-serif;text-anchor:middle}.grid{stroke:#2c3235}.line{fill:none;stroke-width:1.4}
"""
_BINARY: Final = ("", " KiB", " MiB", " GiB", " TiB")


def draw_dashboard(dashboard: Mapping[str, Any], answer: Answer, start: int, end: int) -> str:
    """Return the dashboard as SVG."""
    panels = dashboard["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) * _CELL_HEIGHT + _TITLE
    width = 24 * _CELL_WIDTH
    day = datetime.fromtimestamp(end, UTC).strftime("%d %B %Y, a made-up day")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(dashboard['title'])}</title><style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        f'<text class="head" x="12" y="28">{escape(dashboard["title"])}</text>',
        f'<text class="small" x="{width - 12}" y="28" text-anchor="end">{day}</text>',
    ]
    for panel in panels:
        lines = [
            (_legend(target["legendFormat"], line.labels), line)
            for target in panel["targets"]
            for line in answer(target["expr"])
        ]
        place = panel["gridPos"]
        box = (
            place["x"] * _CELL_WIDTH + _GAP / 2,
            place["y"] * _CELL_HEIGHT + _TITLE,
            place["w"] * _CELL_WIDTH - _GAP,
            place["h"] * _CELL_HEIGHT - _GAP,
        )
        draw = _stat if panel["type"] == "stat" else _chart
        parts.append(
            f'<g transform="translate({box[0]:g} {box[1]:g})">{draw(panel, lines, box[2], box[3], start, end)}</g>'
        )
    return "\n".join([*parts, "</svg>\n"])


def shown(value: float, unit: str) -> str:
    """Return a value as Grafana writes it in that unit."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "bytes":
        exponent = min(int(math.log(value, 1024)), len(_BINARY) - 1) if value >= 1 else 0
        return f"{value / 1024**exponent:.3g}{_BINARY[exponent]}"
    if unit == "s":
        for seconds, name in ((86_400, "days"), (3600, "hours"), (60, "mins")):
            if value >= seconds:
                return f"{value / seconds:.3g} {name}"
        return f"{value:.3g} s" if value >= 1 or not value else f"{value * 1000:.3g} ms"
    for power, name in ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K")):
        if value >= power:
            return f"{value / power:.3g}{name}"
    return f"{value:.3g}" + {"reqps": " req/s", "ops": " ops/s"}.get(unit, "")


def _legend(pattern: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), pattern).strip()


def _frame(title: str, width: float, height: float, colour: str = "") -> str:
    fill = f' style="fill:{colour}"' if colour else ""
    most = int(width / 7.4)
    if len(title) > most:
        title = title[: most - 1] + "…"
    return (
        f'<rect class="panel" rx="3" width="{width:g}" height="{height:g}"{fill}/>'
        f'<text class="title" x="10" y="20">{escape(title)}</text>'
    )


def _stat(panel: Mapping[str, Any], lines: Sequence[tuple[str, Line]], width: float, height: float, *_: int) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    values = [line.points[-1][1] for _, line in lines if line.points]
    colour = ""
    if values and panel["options"]["colorMode"] == "background":
        for step in defaults["thresholds"]["steps"]:
            if step["value"] is None or values[0] >= step["value"]:
                colour = _THRESHOLDS[step["color"]]
    text = " / ".join(shown(value, defaults["unit"]) for value in values) or "No data"
    return (
        _frame(panel["title"], width, height, colour)
        + f'<text class="value" x="{width / 2:g}" y="{height / 2 + 20:g}">{escape(text)}</text>'
    )


def _chart(  # noqa: PLR0913, PLR0917 - a drawing
    panel: Mapping[str, Any], lines: Sequence[tuple[str, Line]], width: float, height: float, start: int, end: int
) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    stacked = "stacking" in defaults["custom"]
    legend = _legend_rows(lines, width)
    left, top, right, bottom = (
        70.0,
        32.0,
        width - 24,
        height - 26 - _LEGEND_ROW * (legend.count("<circle") and legend.count("<g ")),
    )
    below: dict[float, float] = {}
    drawn: list[list[tuple[float, float]]] = []
    for _, line in lines:
        points = []
        for at, value in line.points:
            below[at] = value + (below.get(at, 0.0) if stacked else 0.0)
            points.append((at, below[at]))
        drawn.append(points)
    most = _round_up(max((value for points in drawn for _, value in points), default=1.0) or 1.0)
    parts = [_frame(panel["title"], width, height)]
    for tick in range(5):
        y = bottom - (bottom - top) * tick / 4
        label = shown(most * tick / 4, defaults["unit"])
        parts.append(f'<line class="grid" x1="{left:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="small" text-anchor="end" x="{left - 6:g}" y="{y + 4:.1f}">{label}</text>')
    for hour in range(start + (-start % 1800), end + 1, 1800):
        x = left + (right - left) * (hour - start) / (end - start)
        label = datetime.fromtimestamp(hour, UTC).strftime("%H:%M")
        parts.append(f'<text class="small" text-anchor="middle" x="{x:.1f}" y="{bottom + 15:.1f}">{label}</text>')
    for number, points in enumerate(drawn):
        colour = _COLOURS[number % len(_COLOURS)]
        for run in _without_gaps(points, (end - start) / 60):
            path = " ".join(
                f"{left + (right - left) * (at - start) / (end - start):.1f},"
                f"{bottom - (bottom - top) * value / most:.1f}"
                for at, value in run
            )
            first, last = path.split(" ")[0].split(",")[0], path.split(" ")[-1].split(",")[0]
            parts.append(
                f'<polygon points="{first},{bottom:.1f} {path} {last},{bottom:.1f}" fill="{colour}" fill-opacity=".1"/>'
            )
            parts.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
    if not lines:
        parts.append(f'<text x="{width / 2:g}" y="{height / 2:g}" text-anchor="middle">No data</text>')
    return "".join(parts) + f'<g transform="translate(0 {bottom + 32:.1f})">{legend}</g>'


def _legend_rows(lines: Sequence[tuple[str, Line]], width: float) -> str:
    """Return the names below a chart, in as many rows as they need."""
    rows: list[list[str]] = [[]]
    x = 12.0
    for number, (name, _) in enumerate(lines):
        needed = 22 + 6.6 * len(name)
        if x + needed > width and rows[-1]:
            rows.append([])
            x = 12.0
        colour = _COLOURS[number % len(_COLOURS)]
        rows[-1].append(
            f'<circle cx="{x + 4:.0f}" cy="-4" r="4" fill="{colour}"/>'
            f'<text class="small" x="{x + 12:.0f}">{escape(name)}</text>'
        )
        x += needed
    return "".join(
        f'<g transform="translate(0 {row * _LEGEND_ROW})">{"".join(names)}</g>' for row, names in enumerate(rows)
    )


def _round_up(value: float) -> float:
    """Return the next number of the form 1, 2, 4 or 8 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if value <= step * power * 1.0001)


def _without_gaps(points: Sequence[tuple[float, float]], step: float) -> list[list[tuple[float, float]]]:
    """Return the points in runs: a series that ended and came back is two lines."""
    runs: list[list[tuple[float, float]]] = []
    for point in points:
        if not runs or point[0] - runs[-1][-1][0] > 2 * step:
            runs.append([])
        runs[-1].append(point)
    return runs
