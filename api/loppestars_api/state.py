"""What every feature works with while the API runs: settings, database and storage. Nothing of a feature is in it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import structlog
from fastapi import Depends, Request
from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.settings import ApiSettings
from loppestars_core.database.engine import create_engine
from loppestars_core.storage import Storage, open_storage

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
# Calls that were given up; the event loop itself keeps only weak references.
_abandoned: Final[set[asyncio.Future[Any]]] = set()

POOL_CONNECTIONS: Final = Gauge("loppestars_database_pool_connections", "Connections of the pool", ["state"])


@dataclass(frozen=True, slots=True)
class AppState:
    """The shared parts, opened at the start and closed at the end of the process."""

    settings: ApiSettings
    engine: AsyncEngine
    storage: Storage


@asynccontextmanager
async def open_state(settings: ApiSettings) -> AsyncIterator[AppState]:
    """Open the shared parts. A database or storage that is down does not keep the API from starting."""
    engine = create_engine(settings, application="loppestars-api")
    for state, count in (("in_use", engine.pool.checkedout), ("idle", engine.pool.checkedin)):  # type: ignore[attr-defined]
        POOL_CONNECTIONS.labels(state).set_function(count)
    try:
        yield AppState(settings, engine, open_storage(settings))
    finally:
        await engine.dispose()


async def app_state(request: Request) -> AppState:
    """Return the shared parts. Asynchronous, because FastAPI hands other dependencies to a thread at each request."""
    found: AppState = request.app.state.shared
    return found


State = Annotated[AppState, Depends(app_state)]


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` returns. Raise `TimeoutError` after `seconds`, without waiting for it to be cancelled.

    psycopg answers a cancellation by asking the server to cancel the statement, and waits: for a server that is
    frozen, that is without end.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        _abandoned.add(task)
        task.add_done_callback(_forget)
        raise TimeoutError(f"no answer within {seconds:g} s")
    return task.result()


def _forget(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # retrieved, or it would be reported as one that no code looked at


@asynccontextmanager
async def repeating(seconds: float, *actions: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run the actions every `seconds` while the context lasts; one that fails is logged and tried again."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            for action in actions:
                try:
                    await action()
                except (SQLAlchemyError, OSError) as error:
                    log.warning("periodic_action_failed", action=action.__qualname__, error=type(error).__name__)

    async with AsyncExitStack() as stack:
        task = asyncio.create_task(repeat())

        async def stop() -> None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        stack.push_async_callback(stop)
        yield
