"""The real client libraries against the API: the released app's, and the newest."""

import json
import os

import pytest

from tests.mobile.conftest import FOLDER, Server

LIBRARIES = ("released", "newest")


@pytest.mark.parametrize("library", LIBRARIES)
class TestClients:
    async def test_the_app(self, server: Server, library: str) -> None:
        """Every request of the app, then the same by others; written down anew with LOPPESTARS_RECORD=1."""
        target = [str(FOLDER / f"recorded-{library}.json")] if os.environ.get("LOPPESTARS_RECORD") else []
        ended = json.loads(await server.node("app.mjs", library, *target))
        assert ended["steps"] >= 120
        assert ended["failed"] == 0
