"""Chaos for a minute: what `make chaos` does for a quarter of an hour."""

import pytest

from benchmarks.chaos.run import run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

_SECONDS = 60


class TestChaos:
    def test_nothing_is_lost_doubled_or_exposed(self) -> None:
        """Kills, freezes, storage away and a full disk beside a hostile client: each photo is there once, covered."""
        outcome = run(_SECONDS, seed=11)
        assert outcome.verdict.asked > 10
        assert outcome.verdict.clean, outcome.table()
        assert outcome.refused == 0, outcome.table()
        assert outcome.faults.total() > 5
        assert sum(count for name, count in outcome.hostile["slow uploads"].items() if name in {"408", "503"}) > 0
