"""What a change would do: the steps in words, and the difference of the objects that are rendered."""

from typing import Any

from loppestars_kubectl.preview import migration_of, preview
from tests.factories.stacks import sample, stack_body


def of(before: dict[str, Any] | None, **changes: Any) -> Any:
    return preview(before, stack_body(**changes), frozenset())


class TestPreview:
    def test_nothing(self) -> None:
        """The same spec."""
        found = of(stack_body())
        assert (found.steps, found.lines) == ([], [])

    def test_version(self) -> None:
        """A migration first, then pods; the difference names the images."""
        found = of(stack_body(), version="0.2.0")
        assert found.steps[0].startswith("migrates the database")
        assert sum("rolls the pods" in step for step in found.steps) == 3
        assert any(line.startswith("+") and line.endswith("api:0.2.0") for line in found.lines)

    def test_canary(self) -> None:
        """It is told where it comes first."""
        rollout = {"canary": {}}
        found = of(stack_body(rollout=rollout), rollout=rollout, version="0.2.0")
        assert any("one pod first" in step for step in found.steps)

    def test_size_only(self) -> None:
        """No pod is restarted by another number of them."""
        found = of(stack_body(), api={"replicas": 4})
        assert found.steps == ["removes 1 objects: HorizontalPodAutoscaler fair-api"]
        assert "+  replicas: 4" in found.lines

    def test_new(self) -> None:
        """Everything is made."""
        found = of(None)
        assert found.steps[0].startswith("makes ")
        assert not any(line.startswith("-") and not line.startswith("---") for line in found.lines)

    def test_asleep(self) -> None:
        """Nothing is carried out before it wakes."""
        found = of(stack_body(), hibernated=True, version="0.2.0")
        assert found.steps[-1].startswith("the stack sleeps")


class TestMigrationOf:
    def test_backup_before_it(self) -> None:
        """Whatever the spec says of migrations: a restore needs its pod."""
        backup = {**sample("02-production")["spec"]["backup"], "beforeMigration": False}
        job = migration_of(stack_body(backup=backup))
        assert [found["name"] for found in job["spec"]["template"]["spec"]["initContainers"]] == ["backup"]
