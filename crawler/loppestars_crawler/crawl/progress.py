"""Progress of a crawl on a terminal, and its summary at the end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_crawler.crawl.report import Report
from loppestars_crawler.crawl.source import SourceCrawl

_REDRAW_SECONDS: Final = 0.25


@asynccontextmanager
async def progress_of(sources: Sequence[SourceCrawl], *, shown: bool) -> AsyncIterator[None]:
    """Show a bar per source while it is crawled; `sources` grows when the run begins."""
    if not shown:
        yield
        return
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
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


def _update(bars: Progress, sources: Sequence[SourceCrawl], tasks: dict[str, TaskID]) -> None:
    for source in sources:
        if source.name not in tasks and source.begun:
            tasks[source.name] = bars.add_task(source.name, total=None, said="")
        if source.name in tasks:
            counts = source.counts
            said = source.error or f"{counts.get('new', 0)} new, {counts.get('changed', 0)} changed"
            bars.update(tasks[source.name], completed=counts["seen"], total=source.expected, said=said[:60])
