"""Draw the rooms of every component and which imports which: docs/pictures/house.svg, from the code alone.

    python3 -m tools.draw_house

A card per component. Rooms (packages, and modules at the component's top) stand in the order of their imports: whoever
imports stands above what is imported. Arcs lead from a room to those it imports; an arc within a cycle is drawn in
red. The length of a bar is the number of lines.
"""

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from tools.house import REPOSITORY, Package, components, cycles, package_edges, python_files, read_package

PICTURE: Final = REPOSITORY / "docs" / "pictures" / "house.svg"
# In pixels of the drawing.
CARD_WIDTH: Final = 300
ROW_HEIGHT: Final = 20
HEADER_HEIGHT: Final = 34
GAP: Final = 18
BAR_WIDTH: Final = 56
ARC_START: Final = 190
COLUMNS: Final = 4
# Core and the JPEG library lie under everything else: they are drawn last.
FOUNDATIONS: Final = {"loppestars_core", "loppestars_jpeg"}
STYLE: Final = """
.card{fill:#fff;stroke:#c9d3df}.name{font:600 15px sans-serif;fill:#1d2b3a}.note{font:11px sans-serif;fill:#5b6b7c}
.room{font:12px sans-serif;fill:#1d2b3a}.bar{fill:#9fc3e6}.arc{fill:none;stroke:#5f8fbf;stroke-opacity:.5}
.cycle{fill:none;stroke:#d03030;stroke-width:1.6}
@media (prefers-color-scheme:dark){.card{fill:#16202b;stroke:#33475c}.name,.room{fill:#e8eef5}.note{fill:#9fb0c2}
.bar{fill:#2f5f8f}.arc{stroke:#7fb0e0}}
"""


@dataclass(frozen=True, slots=True)
class Card:
    """One component: its rooms from top to bottom with their lines, what imports what, and what is in a cycle."""

    name: str
    lines: dict[str, int]
    edges: dict[str, set[str]]
    in_cycle: set[str]

    @property
    def height(self) -> int:
        """The height in pixels."""
        return HEADER_HEIGHT + ROW_HEIGHT * len(self.lines) + 10


def read_card(root: Path) -> Card:
    """Read the component whose package lies in `root`."""
    package = read_package(root)
    edges = own_edges(package)
    lines: dict[str, int] = {}
    for path in python_files(root):
        room = path.relative_to(root).parts[0].removesuffix(".py")
        if room != "__init__":
            lines[room] = lines.get(room, 0) + path.read_text(encoding="utf-8").count("\n")
    in_cycle = {room.partition(".")[2] for members in cycles(package_edges(package)) for room in members}
    return Card(root.parent.name, {room: lines[room] for room in in_order(set(lines), edges)}, edges, in_cycle)


def own_edges(package: Package) -> dict[str, set[str]]:
    """Return the imports between rooms, by their names within the component."""
    return {
        room.partition(".")[2]: {target.partition(".")[2] for target in targets}
        for room, targets in package_edges(package).items()
    }


def in_order(rooms: set[str], edges: dict[str, set[str]]) -> list[str]:
    """Return the rooms so that whoever imports comes before what is imported, as far as there is no cycle."""
    depths: dict[str, int] = {}

    def depth(room: str, path: tuple[str, ...]) -> int:
        if room in path:
            return 0
        if room not in depths:
            depths[room] = 1 + max((depth(below, (*path, room)) for below in edges.get(room, ())), default=0)
        return depths[room]

    return sorted(rooms, key=lambda room: (-depth(room, ()), room))


def draw_card(card: Card, left: int, top: int) -> list[str]:
    """Return the shapes of a card with its upper left corner there."""
    middle = {room: top + HEADER_HEIGHT + ROW_HEIGHT * row + 8 for row, room in enumerate(card.lines)}
    most = max(card.lines.values())
    total = f"{sum(card.lines.values()):,} lines".replace(",", " ")
    shapes = [
        f'<rect class="card" x="{left}" y="{top}" width="{CARD_WIDTH}" height="{card.height}" rx="8"/>',
        f'<text class="name" x="{left + 14}" y="{top + 22}">{escape(card.name)}</text>',
        f'<text class="note" x="{left + CARD_WIDTH - 14}" y="{top + 22}" text-anchor="end">{total}</text>',
    ]
    for room, lines in card.lines.items():
        width = max(2, round(BAR_WIDTH * lines / most))
        shapes += [
            f'<rect class="bar" x="{left + 14}" y="{middle[room] - 6}" width="{width}" height="12" rx="2"/>',
            f'<text class="room" x="{left + 22 + BAR_WIDTH}" y="{middle[room] + 4}">{escape(room)}</text>',
        ]
    for room in card.lines:
        for target in sorted(card.edges.get(room, set()) & middle.keys()):
            kind = "cycle" if {room, target} <= card.in_cycle else "arc"
            start, here, there = left + ARC_START, middle[room], middle[target]
            bend = min(start + 10 + abs(there - here) // 2, left + CARD_WIDTH + 12)
            shapes.append(f'<path class="{kind}" d="M{start} {here} C{bend} {here} {bend} {there} {start} {there}"/>')
    return shapes


def draw(repository: Path) -> str:
    """Return the picture as SVG: cards in columns of similar height, foundations last."""
    cards = [read_card(root) for root in sorted(components(repository), key=lambda root: root.name in FOUNDATIONS)]
    heights = [GAP] * COLUMNS
    shapes: list[str] = []
    for card in cards:
        column = heights.index(min(heights))
        shapes += draw_card(card, GAP + column * (CARD_WIDTH + GAP), heights[column])
        heights[column] += card.height + GAP
    width = GAP + COLUMNS * (CARD_WIDTH + GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {max(heights)}" role="img">'
    title = "<title>The rooms of each component, and which imports which</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", *shapes, "</svg>", ""])


def main() -> int:
    """Write the picture."""
    PICTURE.write_text(draw(REPOSITORY), encoding="utf-8")
    sys.stdout.write(f"Wrote {PICTURE.relative_to(REPOSITORY)}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
