"""How long a photo request waits for imaging."""

import asyncio
from time import monotonic

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.photos.waiting import ResultWaiter
from loppestars_api.web.errors import Unavailable
from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.engine import sessions
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.photos import PhotoListener, PhotoOptions, PhotoRequest, request_photo
from loppestars_core.photos.models import PhotoSubject


class TestWaitFor:
    async def test_the_line_before_it_counts(self, engine: AsyncEngine, database_settings: DatabaseSettings) -> None:
        """A request that stood in line for as long as it may wait is answered at once, not that much later."""
        wanted = PhotoRequest("u/1.jpg", "u", PhotoOptions(), PhotoSubject.RATING)
        async with sessions(engine).begin() as session:
            await ensure_user(session, "u")
            photo = await request_photo(session, wanted)
        async with PhotoListener(database_settings) as listener, asyncio.timeout(60):
            waiter = ResultWaiter(engine, listener, capacity=1, wait_seconds=3600)
            with pytest.raises(Unavailable):
                await waiter.wait_for(photo.id, monotonic() - 3601)
