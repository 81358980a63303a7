"""The health of a source."""

import pytest

from loppestars_core.crawls.health import Outcome, health_of

GOOD, BAD, THIN = Outcome(succeeded=True), Outcome(succeeded=False), Outcome(succeeded=True, has_warnings=True)


class TestHealthOf:
    """Its last crawls, the newest first."""

    @pytest.mark.parametrize(
        ("outcomes", "health"),
        [
            ([], "unknown"),
            ([GOOD] * 3, "healthy"),
            ([GOOD] * 9 + [BAD], "warning"),
            ([THIN, GOOD], "degraded"),
            ([GOOD, BAD, BAD], "degraded"),
            ([BAD] * 5 + [GOOD] * 5, "critical"),
        ],
    )
    def test_outcomes(self, outcomes: list[Outcome], health: str) -> None:
        """Expect five failures in a row to be critical, and a third of them or fallen coverage to be degraded."""
        assert health_of(outcomes) == health
