"""Events of a stack tell how its install and its upgrades went."""

from loppestars_operator.kinds import EVENT
from tests.factories.passes import Passes


class TestEvents:
    async def test_story_of_an_install(self) -> None:
        """What `kubectl describe` shows last: each step once, and how it ended."""
        passes = Passes()
        passes.apply()
        await passes.ready()
        said = [(event["type"], event["reason"]) for event in passes.kube.all(EVENT)]
        assert said == [("Normal", "Migrating"), ("Normal", "Deploying"), ("Normal", "Ready")]
        passes.apply(version="0.2.0")
        await passes.ready(job="Failed", message="out of disk")
        later = [(event["type"], event["reason"]) for event in passes.kube.all(EVENT)][len(said) :]
        assert later == [("Normal", "Migrating"), ("Warning", "MigrationFailed")]
