"""Draw the parts of Loppestars and who talks to whom: docs/pictures/architecture.svg.

    python3 -m tools.draw_architecture

What is drawn stands in `BOXES` and `LINES`; a label that does not fit into its box is an error, not a blot. Colours
follow the reader's light or dark scheme.
"""

import sys
from dataclasses import dataclass
from html import escape
from typing import Final

from tools.house import REPOSITORY

PICTURE: Final = REPOSITORY / "docs" / "pictures" / "architecture.svg"
WIDTH: Final = 1000
HEIGHT: Final = 560
BOX_WIDTH: Final = 196
PADDING: Final = 10
NAME_SIZE: Final = 15
NOTE_SIZE: Final = 12
# Of a sans serif's mean character, in parts of its size; wide fonts have as much.
CHARACTER_WIDTH: Final = 0.55
STYLE: Final = """
.paper{fill:#fff}.people rect{fill:#fff7e6;stroke:#c98a1b}.ours rect{fill:#e8f3ff;stroke:#2f74c0}
.data rect{fill:#eef7ee;stroke:#3c8d4f}.operator rect{fill:#f4ecfb;stroke:#7d4bb3}
rect.frame{fill:none;stroke:#aab8c6;stroke-dasharray:4 5}
.name{font-weight:600;fill:#1d2733}.note{fill:#45525f}.line{stroke:#5b6b7b;fill:none;stroke-width:1.5}
.own{stroke:#7d4bb3;stroke-dasharray:5 5}.head{fill:#5b6b7b}
@media (prefers-color-scheme:dark){.paper{fill:#0d1117}.people rect{fill:#2b2312;stroke:#c98a1b}
.ours rect{fill:#12243a;stroke:#4f94e0}.data rect{fill:#12291a;stroke:#4fa866}
.operator rect{fill:#241733;stroke:#a678dc}.name{fill:#e8eef5}
.note{fill:#b3c0cd}.line{stroke:#93a3b3}.own{stroke:#a678dc}.head{fill:#93a3b3}
rect.frame{stroke:#43515f}}
"""

HEAD: Final = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="system-ui, sans-serif">
<title>The parts of Loppestars, and who talks to whom</title>
<desc>The mobile app and browsers talk to the API. API, imaging, crawler and jobs share PostgreSQL and S3. The operator
reconciles all of them from one LoppestarsStack resource.</desc>
<style>{STYLE}</style>
<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path class="head" d="M0 0 10 5 0 10z"/></marker></defs>
<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>"""


@dataclass(frozen=True, slots=True)
class Box:
    """A part: its upper left corner in pixels, whose it is (the colour), its name and a few words about it."""

    left: int
    top: int
    owner: str
    name: str
    notes: tuple[str, ...]
    width: int = BOX_WIDTH

    @property
    def height(self) -> int:
        """The height in pixels: a line for the name and one for each note."""
        return 34 + 17 * len(self.notes)

    @property
    def middle(self) -> int:
        """The vertical middle."""
        return self.top + self.height // 2


BOXES: Final = {
    "app": Box(20, 56, "people", "mobile app", ("markets, ratings, photos",)),
    "browser": Box(20, 132, "people", "browser", ("a page to try it, feeds",)),
    "api": Box(282, 56, "ours", "api", ("HTTP; the app's dialect", "scales on CPU")),
    "imaging": Box(282, 148, "ours", "imaging", ("covers every face", "scales on the queue")),
    "crawler": Box(282, 240, "ours", "crawler", ("reads market sites", "one run at a time")),
    "jobs": Box(282, 346, "ours", "jobs", ("retention, notifications",)),
    "database": Box(540, 90, "data", "PostgreSQL", ("markets, people, photos", "and the job queue")),
    "storage": Box(540, 190, "data", "S3, or a folder", ("originals: private", "results: public")),
    "backup": Box(540, 284, "ours", "backup", ("database with its photos", "restores are rehearsed")),
    "prometheus": Box(784, 56, "people", "Prometheus", ("metrics, alerts",)),
    "sites": Box(784, 246, "people", "market sites", ("robots.txt is obeyed",)),
    "services": Box(784, 346, "people", "sign-in, mail, push", ("providers of your choice",)),
    "engineer": Box(20, 458, "people", "platform engineer", ("helm, kubectl, GitOps",)),
    "operator": Box(282, 450, "operator", "operator", ("reconciles one resource", "heals, and rolls back")),
    "owned": Box(
        540,
        450,
        "operator",
        "what it keeps true",
        ("Deployments, scaling, Jobs, migrations, Services, routes,", "NetworkPolicies, monitoring, certificates"),
        width=440,
    ),
}
FRAME: Final = (262, 24, 502, 392, "one LoppestarsStack, or one machine: make run")
LINES: Final = (
    ("app", "api"), ("browser", "api"),
    ("api", "database"), ("imaging", "database"), ("crawler", "database"), ("jobs", "database"),
    ("api", "storage"), ("imaging", "storage"),
    ("crawler", "sites"), ("jobs", "services"),
    ("engineer", "operator"), ("operator", "owned"),
)  # fmt: skip


def too_wide(box: Box) -> list[str]:
    """Return the labels of a box that do not fit into it."""
    room = box.width - 2 * PADDING
    sizes = {box.name: NAME_SIZE, **dict.fromkeys(box.notes, NOTE_SIZE)}
    return [label for label, size in sizes.items() if len(label) * size * CHARACTER_WIDTH > room]


def draw_box(box: Box) -> str:
    """Return a box with its labels."""
    middle = box.left + box.width // 2
    notes = "".join(
        f'<text class="note" x="{middle}" y="{box.top + 42 + 17 * row}" font-size="{NOTE_SIZE}">{escape(note)}</text>'
        for row, note in enumerate(box.notes)
    )
    return (
        f'<g class="{box.owner}" text-anchor="middle"><rect x="{box.left}" y="{box.top}" width="{box.width}" '
        f'height="{box.height}" rx="10" stroke-width="1.5"/>'
        f'<text class="name" x="{middle}" y="{box.top + 23}" font-size="{NAME_SIZE}">{escape(box.name)}</text>'
        f"{notes}</g>"
    )


def draw_line(start: Box, end: Box, kind: str) -> str:
    """Return an arrow from the right side of one box to the left side of another, level at both ends."""
    x, y, to_x, to_y = start.left + start.width, start.middle, end.left - 2, end.middle
    bend = (x + to_x) // 2
    return f'<path class="{kind}" d="M{x} {y}C{bend} {y} {bend} {to_y} {to_x} {to_y}" marker-end="url(#head)"/>'


def draw() -> str:
    """Return the picture as SVG. Raise `ValueError` where a label does not fit."""
    if wide := [label for box in BOXES.values() for label in too_wide(box)]:
        raise ValueError(f"too wide for their boxes: {wide}")
    left, top, width, height, title = FRAME
    return "\n".join(
        [
            HEAD,
            f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}" rx="14"/>',
            f'<text class="note" x="{left + 16}" y="{top + 19}" font-size="{NOTE_SIZE}">{title}</text>',
            *(draw_line(BOXES[start], BOXES[end], "line own" if end == "owned" else "line") for start, end in LINES),
            *map(draw_box, BOXES.values()),
            "</svg>\n",
        ]
    )


def main() -> int:
    """Write the picture."""
    PICTURE.write_text(draw(), encoding="utf-8")
    sys.stdout.write(f"Wrote {PICTURE.relative_to(REPOSITORY)}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
