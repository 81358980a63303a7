"""What a terminal shows of a crawl."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console

from loppestars_crawler.crawl.progress import progress_of


@dataclass
class Source:
    """A source at some moment of its crawl."""

    name: str
    counts: Mapping[str, int] = field(default_factory=lambda: {"seen": 0})
    begun: bool = True
    has_ended: bool = False
    expected: int | None = None
    error: str | None = None


class TestProgressOf:
    """A bar per source, with its rate and its outcome."""

    async def test_outcomes(self) -> None:
        """Expect what came of each source that has begun, also where its error looks like markup."""
        done = Source("torvet", {"seen": 120, "new": 100, "unchanged": 20, "failed": 0}, has_ended=True, expected=120)
        down = Source("havnen", {"seen": 0}, has_ended=True, error="HTTP 503 for [/odd]")
        waiting = Source("kirken", begun=False)
        console = Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)
        async with progress_of([done, down, waiting], shown=True, console=console):
            pass
        assert isinstance(console.file, io.StringIO)
        shown = console.file.getvalue()
        assert "120/120" in shown
        assert "/s" in shown
        assert "done: 100 new, 20 unchanged" in shown
        assert "failed: HTTP 503 for [/odd]" in shown
        assert "kirken" not in shown
