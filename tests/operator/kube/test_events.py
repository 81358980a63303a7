"""Events of a stack tell how its install and its upgrades went."""

from loppestars_operator.kinds import EVENT
from tests.factories.passes import Passes


def said(passes: Passes) -> set[tuple[str, str]]:
    return {(event["type"], event["reason"]) for event in passes.kube.all(EVENT)}


class TestEvents:
    async def test_story_of_an_install(self) -> None:
        """What `kubectl describe` shows last: that it began, and how it ended."""
        passes = Passes()
        passes.apply()
        await passes.ready()
        assert said(passes) == {("Normal", "Migrating"), ("Normal", "Ready")}

    async def test_failure(self) -> None:
        """A migration that fails is a warning."""
        passes = Passes()
        passes.apply()
        await passes.ready(job="Failed", message="out of disk")
        assert said(passes) == {("Normal", "Migrating"), ("Warning", "MigrationFailed")}
