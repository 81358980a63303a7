"""`loppestars-crawler quarantine …`: markets that are not believed, and their release."""

from typing import Annotated, Final

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.kit.cli import Json, fail, show
from loppestars_core.kit.settings import load_settings
from loppestars_core.markets.quarantine import NotInQuarantine, list_quarantined, release
from loppestars_crawler.crawl.records import Row, ask
from loppestars_crawler.settings import CrawlerSettings

app: Final = typer.Typer(help="Show markets that are not believed; release one.")


@app.callback(invoke_without_command=True)
def quarantine(context: typer.Context, *, json: Json = False) -> None:
    """Show the markets that are not believed, with the reasons."""
    if context.invoked_subcommand is not None:
        return

    async def read(session: AsyncSession) -> list[Row]:
        return [
            {
                "id": market.id,
                "source": market.source,
                "reason": market.reason,
                "name": market.raw["market"]["name"],
                "start_date": market.raw["market"]["start_date"],
                "last_seen_at": market.last_seen_at,
            }
            for market in await list_quarantined(session, limit=1000)
        ]

    show(ask(load_settings(CrawlerSettings), read), json=json)


@app.command("release")
def release_(number: Annotated[int, typer.Argument(metavar="ID", help="id of a market in quarantine")]) -> None:
    """Believe a market: it is stored now, and the same words are believed from now on."""

    async def believe(session: AsyncSession) -> str:
        return (await release(session, number, admin_id=None)).name

    try:
        typer.echo(f"released: {ask(load_settings(CrawlerSettings), believe)}")
    except NotInQuarantine as error:
        fail(str(error))
