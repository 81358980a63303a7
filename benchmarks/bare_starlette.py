"""What the API is measured against: a bare Starlette app that runs the same SQL and dumps the same rows.

No validation, no errors, no limits, no ids, no metrics, no logs: the least that gives the same body.
"""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import orjson
import uvicorn
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loppestars_core.kit.clock import today_in_denmark
from loppestars_core.markets.fields import COLUMNS
from loppestars_core.markets.query import MarketQuery, Position, select_markets

KEYS: Final = tuple("loppemarkeder_nu" if name == "source_fields" else name for name in (*COLUMNS, "distance"))


async def health(_request: Request) -> Response:
    return JSONResponse({"status": "healthy", "service": "loppestars"})


async def nearby(request: Request) -> Response:
    # The SQL is the API's own, as text and for one question: even its parameters are computed only once.
    pool: AsyncConnectionPool[Any] = request.app.state.pool
    async with pool.connection() as connection:
        rows = await (await connection.execute(request.app.state.sql, request.app.state.parameters)).fetchall()
    documents = [dict(zip(KEYS, row, strict=True)) for row in rows]
    return Response(orjson.dumps(documents, default=number, option=orjson.OPT_UTC_Z), media_type="application/json")


def number(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError


def sql_of(latitude: float, longitude: float) -> tuple[str, dict[str, Any]]:
    """The SQL and parameters of the nearby list, as the API asks it with its defaults."""
    day = today_in_denmark()
    query = MarketQuery(
        position=Position(latitude=latitude, longitude=longitude),
        radius_km=50,
        from_day=day,
        until_day=day + timedelta(days=30),
        limit=50,
    )
    compiled = select_markets(query, day).compile(dialect=PGDialect_psycopg())
    return str(compiled), dict(compiled.params)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.sql, app.state.parameters = sql_of(55.6761, 12.5683)
    kwargs = {"autocommit": True}
    async with AsyncConnectionPool(os.environ["DATABASE_URL"], min_size=10, max_size=10, kwargs=kwargs) as pool:
        app.state.pool = pool
        yield


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/health", health), Route("/markets/nearby", nearby)], lifespan=lifespan)
    config = uvicorn.Config(app, http="httptools", loop="uvloop", ws="none", log_level="error", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
