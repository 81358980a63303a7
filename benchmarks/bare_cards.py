"""What `/rest/v1` is measured against: a bare Starlette app that runs the same SQL and sends the same bytes.

No key, no token, no parsing, no errors, no limits, no ids, no metrics, no logs.
"""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loppestars_api.supabase.rest.parsing import parse
from loppestars_api.supabase.rest.resources import OFFER
from loppestars_core.database.rows.plans import Plans
from loppestars_core.database.rows.statements import Translator
from loppestars_core.kit.clock import today_in_denmark

CARD: Final = "select=rating&market_id=eq."
ROLE: Final = "-c loppestars.role=anon -c default_transaction_read_only=on -c TimeZone=UTC"


async def cards(request: Request) -> Response:
    plan, values = request.app.state.plan, request.app.state.values
    market = request.query_params["market_id"].removeprefix("eq.")
    async with request.app.state.pool.connection() as connection:
        row = await (await connection.execute(plan.sql, {**values, "v0": market})).fetchone()
    return Response(row[0], media_type="application/json")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    question = parse(CARD)
    table = OFFER.tables["ratings"]
    app.state.plan = Plans().of("", lambda: Translator(OFFER, "anon").read(table, question.asked, counted=False))
    app.state.values = app.state.plan.with_values({"caller": "", "today": today_in_denmark(), **question.parameters})
    arguments = {"autocommit": True, "options": ROLE}
    pool = AsyncConnectionPool[Any](os.environ["DATABASE_URL"], min_size=10, max_size=10, kwargs=arguments, open=False)
    async with pool:
        app.state.pool = pool
        yield


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/rest/v1/ratings", cards)], lifespan=lifespan)
    config = uvicorn.Config(app, http="httptools", loop="uvloop", ws="none", log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
