"""What a server must be before anything is migrated."""

from types import SimpleNamespace
from typing import Any

import pytest

from loppestars_core.database.migrate import ServerTooOld, check_server


class TestServer:
    @pytest.mark.parametrize(("version", "accepted"), [((14, 9), False), ((15, 0), True), ((18, 1), True)])
    def test_oldest_version(self, version: tuple[int, ...], *, accepted: bool) -> None:
        """PostgreSQL 15 is the oldest; an older one is refused with what is needed and what was found."""
        connection: Any = SimpleNamespace(dialect=SimpleNamespace(server_version_info=version))
        if accepted:
            check_server(connection)
        else:
            with pytest.raises(ServerTooOld, match=r"PostgreSQL 15 or newer is needed; this server is 14"):
                check_server(connection)
