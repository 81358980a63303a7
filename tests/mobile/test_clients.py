"""The real client libraries against the API: the released app's, and the newest."""

import json
import os
from collections.abc import Callable

import pytest

from loppestars_local.postgres import EmbeddedPostgres
from tests.factories.running_api import RunningApi
from tests.mobile.conftest import FOLDER, Server
from tests.mobile.faults import Faults

LIBRARIES = ("released", "newest")


@pytest.mark.parametrize("library", LIBRARIES)
class TestClients:
    async def test_the_app(self, server: Server, library: str) -> None:
        """Every request of the app, then the same by others; written down anew with LOPPESTARS_RECORD=1."""
        target = [str(FOLDER / f"recorded-{library}.json")] if os.environ.get("LOPPESTARS_RECORD") else []
        ended = json.loads(await server.node("app.mjs", library, *target))
        assert ended["steps"] >= 120
        assert ended["failed"] == 0

    @pytest.mark.faults
    @pytest.mark.timeout(300)
    async def test_no_phone_is_signed_out(
        self,
        server: Server,
        start: Callable[..., RunningApi],
        postgres: EmbeddedPostgres,
        database_url: str,
        library: str,
    ) -> None:
        """Whatever goes wrong with a refresh, the stored session survives it and works afterwards."""
        faults = Faults(server, start, postgres, database_url)
        try:
            ended = json.loads(await server.node("stays.mjs", library, do=faults.do))
        finally:
            faults.close()
        assert ended["steps"] >= 40
        assert ended["failed"] == 0
