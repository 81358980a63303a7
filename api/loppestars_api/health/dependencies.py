"""The checks of the running API, for routes."""

import asyncio
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import text

from loppestars_api.health.readiness import Readiness
from loppestars_api.state import AppState
from loppestars_core.photos import PhotoListener


def open_readiness(state: AppState, listener: PhotoListener) -> Readiness:
    """Return the checks of what the API depends on."""
    settings, storage = state.settings, state.storage

    async def check_database() -> None:
        async with state.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def check_storage() -> None:
        await asyncio.gather(storage.check(settings.originals_bucket), storage.check(settings.processed_bucket))

    async def check_queue() -> None:
        # Without notifications, finished photos would be seen late.
        await listener.listening.wait()
        async with state.engine.connect() as connection:
            await connection.execute(text("SELECT 1 FROM procrastinate_jobs LIMIT 1"))

    return Readiness({"database": check_database, "storage": check_storage, "queue": check_queue})


async def readiness_of(request: Request) -> Readiness:
    """Return the checks of the running API."""
    found: Readiness = request.app.state.readiness
    return found


Checks = Annotated[Readiness, Depends(readiness_of)]
