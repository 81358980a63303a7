"""Pages of the documentation as a newcomer follows them: commands, and the answers that are printed below them.

A fenced block of the language `sh` is run. The block right below it, of the language `text` or `json`, is its answer,
where `…` stands for whatever differs each time. A second word says how else a block is run:

    ```sh background     goes on while the page is followed; the answer is what it prints once it is usable
    ```sh cluster        needs the node that `make e2e` brings up, and is run there
    ```sh elsewhere      is run by `.ci/run` itself
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (
    "README.md",
    *(str(page.relative_to(REPOSITORY)) for page in sorted(REPOSITORY.glob("docs/tutorials/[0-9]*.md"))),
)
_BLOCK: Final = re.compile(r"^```(?P<language>[a-z]+)(?P<how>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_ANYTHING: Final = "…"


@dataclass(frozen=True, slots=True)
class Block:
    """Commands of a page from `line` on, and what is printed below them (None: nothing is)."""

    page: str
    line: int
    how: str
    commands: str
    answer: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> list[Block]:
    """Return the command blocks of a page, in their order."""
    found: list[Block] = []
    fences = list(_BLOCK.finditer(text))
    for fence, following in zip(fences, [*fences[1:], None], strict=True):
        if fence["language"] != "sh":
            continue
        belongs = (
            following is not None
            and following["language"] in {"text", "json"}
            and not text[fence.end() : following.start()].strip()
        )
        answer = following["text"] if belongs and following is not None else None
        found.append(Block(page, text.count("\n", 0, fence.start()) + 2, fence["how"].strip(), fence["text"], answer))
    return found


def says(printed: str, expected: str) -> bool:
    """Return whether a command printed what the page shows, however it is spaced, wrapped and capitalised.

    Proxies write the names of headers in capitals, servers in small letters.
    """
    pieces = ["".join(piece.split()) for piece in expected.split(_ANYTHING)]
    pattern = ".*".join(re.escape(piece) for piece in pieces)
    return re.search(pattern, "".join(printed.split()), re.DOTALL | re.IGNORECASE) is not None
