"""`loppestars-crawler runs …`: what runs did, what they noted, and what failed once more."""

import uuid
from typing import Annotated, Final

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_core.crawls import (
    CrawlAlreadyFinished,
    CrawlNotFound,
    NothingToRetry,
    find_run,
    list_runs,
    request_cancel,
    retry_run,
)
from loppestars_core.crawls.log import events_after
from loppestars_core.crawls.models import CrawlEvent, CrawlRun
from loppestars_core.crawls.runs import failed_items
from loppestars_core.kit.cli import Json, fail, show
from loppestars_core.kit.settings import load_settings
from loppestars_crawler.crawl.command import start
from loppestars_crawler.crawl.records import Row, ask, run_row
from loppestars_crawler.crawl.run import CrawlOrder
from loppestars_crawler.settings import CrawlerSettings

app: Final = typer.Typer(help="Show the newest runs; their logs; cancel one, or crawl again what failed.")
RunId = Annotated[uuid.UUID, typer.Argument(metavar="RUN", help="id of a run")]


@app.callback(invoke_without_command=True)
def runs(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="show so many of the newest runs")] = 20,
    json: Json = False,
) -> None:
    """Show the newest crawl runs with their counts."""
    if context.invoked_subcommand is not None:
        return

    async def read(session: AsyncSession) -> list[Row]:
        return [run_row(run) for run in await list_runs(session, limit=limit)]

    show(ask(load_settings(CrawlerSettings), read), json=json)


@app.command()
def log(run: RunId, *, json: Json = False) -> None:
    """Show what a run noted, in order."""

    async def read(session: AsyncSession) -> list[CrawlEvent]:
        await find_run(session, run)
        events: list[CrawlEvent] = []
        while page := await events_after(session, run, events[-1].id if events else 0):
            events += page
        return events

    try:
        events = ask(load_settings(CrawlerSettings), read)
    except CrawlNotFound as error:
        fail(str(error))
    columns = ("id", "created_at", "source", "kind", "message")
    show([{name: getattr(event, name) for name in columns} for event in events], json=json)


@app.command()
def failed(run: RunId, *, json: Json = False) -> None:
    """Show what a run did not understand or could not store."""

    async def read(session: AsyncSession) -> list[Row]:
        columns = ("source", "reason", "url", "snippet")
        return [{name: getattr(item, name) for name in columns} for item in await failed_items(session, run)]

    show(ask(load_settings(CrawlerSettings), read), json=json)


@app.command()
def cancel(run: RunId) -> None:
    """Ask a run to stop; what it has stored is kept."""

    async def ask_to_stop(session: AsyncSession) -> CrawlRun:
        return await request_cancel(session, run)

    try:
        ask(load_settings(CrawlerSettings), ask_to_stop)
    except (CrawlNotFound, CrawlAlreadyFinished) as error:
        fail(str(error))


@app.command()
def retry(
    run: RunId,
    *,
    accept_shrink: Annotated[
        bool, typer.Option("--accept-shrink", help="accept sources that list less than half of the last time")
    ] = False,
    json: Json = False,
) -> None:
    """Crawl the sources of a run again that did not succeed, and no others."""
    settings = load_settings(CrawlerSettings)

    async def request(session: AsyncSession) -> tuple[CrawlRun, bool]:
        return await retry_run(session, run, accept_shrink=accept_shrink)

    try:
        again, created = ask(settings, request)
    except (CrawlNotFound, NothingToRetry) as error:
        fail(str(error))
    if not created:
        fail(f"a crawl is running already: {again.id}", ExitCode.LOCKED)
    order = CrawlOrder(
        sources=list(again.sources), run_id=again.id, limit=again.item_limit, accept_shrink=accept_shrink
    )
    raise typer.Exit(start(settings, order, json=json))
