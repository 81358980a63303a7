"""Progress of a crawl on a terminal, and its summary at the end."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_crawler.crawl.report import Report

_REDRAW_SECONDS: Final = 0.25
_MAX_SAID: Final = 60
_TOLD: Final = ("new", "changed", "unchanged", "vanished", "skipped", "failed")


class SourceInProgress(Protocol):
    """What is shown of a source."""

    name: str

    @property
    def begun(self) -> bool:
        """Whether its turn has come."""

    @property
    def has_ended(self) -> bool:
        """Whether all of it is read and judged, or given up."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What became of its items so far."""

    @property
    def expected(self) -> int | None:
        """How many items there will be, where that is known."""

    @property
    def error(self) -> str | None:
        """Why it failed."""


@asynccontextmanager
async def progress_of(
    sources: Sequence[SourceInProgress], *, shown: bool, console: Console | None = None
) -> AsyncIterator[None]:
    """Show a bar per source while it is crawled; `sources` grows when the run begins."""
    if not shown:
        yield
        return
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", justify="right"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=console or Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        async def draw() -> None:
            while True:
                _update(bars, sources, tasks)
                await asyncio.sleep(_REDRAW_SECONDS)

        drawing = asyncio.create_task(draw())
        try:
            yield
        finally:
            drawing.cancel()
            _update(bars, sources, tasks)


def show_summary(report: Report) -> None:
    """Print how a run ended, source by source."""
    console = Console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("source")
    for name in COUNT_NAMES:
        table.add_column(name, justify="right")
    for source, counts in (*report.sources.items(), ("together", report.counts)):
        table.add_row(source, *(f"{counts.get(name, 0):,}" for name in COUNT_NAMES))
    console.print(table)
    console.print(f"Run {report.run_id} {report.state}" + (f": {report.error}" if report.error else "."), markup=False)


def _update(bars: Progress, sources: Sequence[SourceInProgress], tasks: dict[str, TaskID]) -> None:
    for source in sources:
        if not source.begun:
            continue
        if source.name not in tasks:
            tasks[source.name] = bars.add_task(escape(source.name), total=None, said="", rate="")
        task = bars.tasks[bars.task_ids.index(tasks[source.name])]
        if task.stop_time is not None:
            continue
        seen = source.counts["seen"]
        rate = f"{seen / task.elapsed:,.0f}/s" if seen and task.elapsed else ""
        bars.update(task.id, completed=seen, total=source.expected, rate=rate, said=_said(source))
        if source.has_ended:
            bars.stop_task(task.id)


def _said(source: SourceInProgress) -> str:
    """Return what came of a source so far, or how it ended."""
    if source.error:
        return f"[red]failed[/]: {escape(source.error[:_MAX_SAID])}"
    counts = source.counts
    found = ", ".join(f"{counts[name]:,} {name}" for name in _TOLD if counts.get(name)) or "nothing yet"
    return f"[green]done[/]: {found}" if source.has_ended else found
