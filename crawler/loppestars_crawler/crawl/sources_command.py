"""`loppestars-crawler sources …`: which sources there are, how they are, and changes of them."""

from dataclasses import replace
from typing import Annotated, Final

import typer
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.contract.sources import SourceType
from loppestars_core.crawls.models import ManagedBy
from loppestars_core.crawls.source_settings import SourceSetting
from loppestars_core.crawls.sources import keep_source, known_sources, remove_source
from loppestars_core.kit.cli import Json, fail, show
from loppestars_core.kit.settings import load_settings
from loppestars_crawler.crawl.records import Row, ask, source_rows
from loppestars_crawler.settings import CrawlerSettings

app: Final = typer.Typer(help="Show the known sources and their health; add, change and remove some.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="name of a source")]


@app.callback(invoke_without_command=True)
def sources(context: typer.Context, *, json: Json = False) -> None:
    """Show the known sources, how their last crawl ended, and how healthy they are."""
    if context.invoked_subcommand is not None:
        return
    settings = load_settings(CrawlerSettings)

    async def read(session: AsyncSession) -> list[Row]:
        return await source_rows(session, settings.sources)

    show(ask(settings, read), json=json)


@app.command("set")
def set_(  # noqa: PLR0913 - one parameter per option
    name: Name,
    *,
    kind: Annotated[SourceType, typer.Option("--type", help="how it is read")] = SourceType.JSONLD,
    url: Annotated[list[str] | None, typer.Option(help="where it begins; may be repeated, all on one host")] = None,
    schedule: Annotated[str | None, typer.Option(help="cron in Danish time; without it, with each crawl")] = None,
    rank: Annotated[int | None, typer.Option(help="whose words count where sources differ: the lowest")] = None,
    delay_seconds: Annotated[float | None, typer.Option(help="least seconds between two requests")] = None,
    max_pages: Annotated[int | None, typer.Option(help="most pages of one crawl")] = None,
) -> None:
    """Add a source, or replace one; it is crawled from then on with those of the settings."""
    settings = load_settings(CrawlerSettings)
    given = {"rank": rank, "delay_seconds": delay_seconds, "max_pages": max_pages, "schedule": schedule}
    said = {key: value for key, value in given.items() if value is not None}
    try:
        setting = SourceSetting.model_validate({"name": name, "type": kind, "start_urls": url or [], **said})
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, part['loc']))} {part['msg']}".strip() for part in error.errors()), 2)

    async def write(session: AsyncSession) -> None:
        await keep_source(session, settings.spec_of(setting), managed_by=ManagedBy.ADMIN)

    ask(settings, write)


@app.command()
def enable(name: Name) -> None:
    """Crawl a source again."""
    _switch(name, on=True)


@app.command()
def disable(name: Name) -> None:
    """Crawl a source no more; its markets stay as they are."""
    _switch(name, on=False)


@app.command()
def remove(name: Name) -> None:
    """Forget a source that was added, or what was changed of one of the settings; its markets stay."""

    async def delete(session: AsyncSession) -> bool:
        return await remove_source(session, name)

    if not ask(load_settings(CrawlerSettings), delete):
        fail(f"no source {name} was added or changed by hand")


def _switch(name: str, *, on: bool) -> None:
    settings = load_settings(CrawlerSettings)

    async def write(session: AsyncSession) -> bool:
        source = (await known_sources(session, settings.sources)).get(name)
        if source is not None:
            await keep_source(session, replace(source, enabled=on), managed_by=ManagedBy.ADMIN)
        return source is not None

    if not ask(settings, write):
        fail(f"unknown source {name}")
