"""`loppestars-crawler pairs`: which markets may be one, what was decided about them, and deciding."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

import typer
from psycopg import OperationalError as ConnectionFailed
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.database.engine import create_engine, sessions
from loppestars_core.kit.cli import Json, fail, show
from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.kit.settings import load_settings
from loppestars_core.markets import decisions
from loppestars_core.markets.pairs import pairs_to_decide
from loppestars_crawler.settings import CrawlerSettings

Result = TypeVar("Result")
_OPERATOR: Final = decisions.Admin(None, "cli")
_MarketId = Annotated[uuid.UUID, typer.Argument(help="the id of a market")]
_OtherId = Annotated[uuid.UUID, typer.Argument(help="the id of another market")]
_Reason = Annotated[str | None, typer.Option(help="why, for those who read it later")]

app: Final = typer.Typer(name="pairs", help="Decide which markets are one.", no_args_is_help=True)


@app.command("list")
def list_(
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="look at so many days from today")] = 30,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="show so many pairs")] = 50,
    json: Json = False,
) -> None:
    """Show pairs of markets that may be one and are not decided yet, the most alike first."""

    async def read(session: AsyncSession) -> list[dict[str, Any]]:
        today = today_in_denmark()
        found = await pairs_to_decide(session, today, today + timedelta(days=days), limit=limit)
        return [
            {
                "score": pair.match.score,
                "day": pair.listings[0].start_date,
                "market": pair.market_id,
                "name": pair.listings[0].name,
                "other": pair.other_id,
                "other_name": pair.listings[1].name,
                "reasons": "; ".join(pair.match.reasons),
            }
            for pair in found
        ]

    show(_run(read), json=json)


@app.command()
def same(market: _MarketId, other: _OtherId, *, reason: _Reason = None, json: Json = False) -> None:
    """Decide that two markets are one; the first id stays and the second leads to it."""
    _show_number(
        _run(lambda session: decisions.join(session, market, other, admin=_OPERATOR, reason=reason)), json=json
    )


@app.command()
def different(market: _MarketId, other: _OtherId, *, reason: _Reason = None, json: Json = False) -> None:
    """Decide that two markets are not the same and never joined."""
    decide = decisions.keep_apart
    _show_number(_run(lambda session: decide(session, market, other, admin=_OPERATOR, reason=reason)), json=json)


app.command("join", help="The same as `same`, for markets that are on no list.")(same)


@app.command()
def split(
    market: _MarketId,
    *,
    source: Annotated[list[str], typer.Option(help="a source that means another market")],
    reason: _Reason = None,
    json: Json = False,
) -> None:
    """Take what some sources say out of a market; it becomes one of its own."""
    number, taken = _run(lambda session: decisions.split(session, market, source, admin=_OPERATOR, reason=reason))
    show([{"decision": number, "market": taken}], json=json)


@app.command()
def undo(decision: Annotated[int, typer.Argument(help="the number of a decision")]) -> None:
    """Undo a decision and what it did."""
    _run(lambda session: decisions.undo(session, decision, admin=_OPERATOR))


@app.command("decisions")
def decided(
    *,
    market: Annotated[uuid.UUID | None, typer.Option(help="only those about this market")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="show so many of the newest")] = 50,
    json: Json = False,
) -> None:
    """Show what was decided, by admins and by itself, with the reasons."""

    async def read(session: AsyncSession) -> list[dict[str, Any]]:
        return [
            {
                "decision": found.id,
                "kind": found.kind,
                "automatic": found.automatic,
                "market": found.market_id,
                "other": found.other_market_id,
                "listings": ", ".join(found.keys),
                "other_listings": ", ".join(found.other_keys),
                "score": found.score,
                "reasons": "; ".join(found.reasons),
                "made_at": found.made_at,
                "made_by": found.made_by,
                "revoked_at": found.revoked_at,
            }
            for found in await decisions.decisions_of(session, market_id=market, limit=limit)
        ]

    show(_run(read), json=json)


def _show_number(number: int, *, json: bool) -> None:
    show([{"decision": number}], json=json)


def _run(work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
    """Do one piece of work in a transaction; end with a sentence where it is refused."""

    async def connect() -> Result:
        engine = create_engine(load_settings(CrawlerSettings), application="loppestars-crawler")
        try:
            async with sessions(engine).begin() as session:
                return await work(session)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(connect())
    except decisions.MarketNotFound:
        fail("there is no market with this id")
    except decisions.DecisionNotFound:
        fail("there is no decision with this number that is still in force: see `loppestars-crawler pairs decisions`")
    except decisions.DecisionRefused as refusal:
        fail(str(refusal))
    except (OperationalError, ConnectionFailed, OSError):
        fail("the database cannot be reached: check DATABASE_URL")
