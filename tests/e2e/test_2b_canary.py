"""A new version on one pod first, and sleep: on a real node, under load."""

import time

import pytest

from tests.e2e.support.client import SteadyLoad
from tests.e2e.support.figures import measured
from tests.e2e.support.stack import Stack
from tests.e2e.test_2_upgrade import ENOUGH_REQUESTS, next_version

pytestmark = pytest.mark.e2e
__all__ = ["ENOUGH_REQUESTS", "next_version"]

LIST = "/markets/nearby?latitude=55.6761&longitude=12.5683&limit=1"
CANARY = {"canary": {"seconds": 15}}


@pytest.fixture(autouse=True)
def with_canaries(stack: Stack) -> None:
    """Turning canaries on is itself a revision that one pod tries first."""
    stack.change(rollout=CANARY, api={"replicas": 2, "autoscaling": None, "progressDeadlineSeconds": 60})
    stack.wait_ready()


def images_of(stack: Stack) -> list[str]:
    return [pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in stack.pods("api")]


class TestCanary:
    """One pod first, under 20 requests a second."""

    def test_passes(self, stack: Stack, images: str, next_version: str) -> None:
        """One pod of the new version for its time, then all; no request fails."""
        with SteadyLoad(stack.ingress, LIST) as load:
            stack.change(version=next_version)
            stack.wait_for("Ready", "False", "Canary", seconds=120)
            stack.cluster.until(lambda: next_version in images_of(stack), "the canary's pod", 60)
            assert images_of(stack).count(next_version) == 1
            assert images_of(stack).count(images) == 2
            stack.wait_ready()
        measured(f"canary that passes: {load.total} requests, {len(load.failures)} failed")
        assert load.failures == []
        assert set(images_of(stack)) == {next_version}
        assert stack.read()["status"]["rollout"]["canary"]["step"] == "Passed"
        stack.change(version=images)
        stack.wait_ready()

    def test_broken_configuration_goes_back(self, stack: Stack, images: str) -> None:
        """A setting that the API refuses: its pod ends, all returns to the configuration before, no request fails."""
        before = {pod["metadata"]["uid"] for pod in stack.pods("api")}
        began = time.monotonic()
        with SteadyLoad(stack.ingress, LIST) as load:
            stack.change(api={"pod": {"env": [{"name": "RATE_LIMIT_LISTS_PER_MINUTE", "value": "many"}]}})
            found = stack.wait_for("Ready", "False", "RolledBack", seconds=120)
        measured(
            f"canary that fails: back after {time.monotonic() - began:.0f} s, {len(load.failures)} requests failed"
        )
        assert load.failures == []
        assert "canary" in found["message"]
        assert {pod["metadata"]["uid"] for pod in stack.pods("api")} >= before
        stack.change(api={"pod": None})
        stack.wait_ready()

    def test_failing_requests_go_back(self, stack: Stack, images: str) -> None:
        """A pod that is Ready and fails what it is asked: its own count of errors takes it back."""
        with SteadyLoad(stack.ingress, LIST) as load:
            stack.change(api={"pod": {"env": [{"name": "STATEMENT_TIMEOUT_SECONDS", "value": "0.0005"}]}})
            found = stack.wait_for("Ready", "False", "RolledBack", seconds=120)
        measured(f"canary that fails its requests: {load.total} requests, {len(load.failures)} failed")
        assert "requests" in found["message"]
        with SteadyLoad(stack.ingress, LIST) as load:
            stack.cluster.until(lambda: load.total >= ENOUGH_REQUESTS, "enough requests", 60)
        assert load.failures == []
        stack.change(api={"pod": None})
        stack.wait_ready()


class TestSleep:
    def test_hibernates_and_wakes(self, stack: Stack) -> None:
        """No pods; then the same number of pods and the same data."""
        answer = stack.ingress.get(LIST)
        stack.change(rollout=None, hibernated=True)
        stack.wait_for("Hibernated", seconds=180)
        assert not [pod for name in ("api", "imaging", "jobs") for pod in stack.pods(name)]
        began = time.monotonic()
        stack.change(hibernated=False)
        stack.wait_for("Ready", reason="Ready")
        measured(f"waking took {time.monotonic() - began:.0f} s")
        assert len(stack.pods("api")) == 2
        assert stack.ingress.get(LIST).body == answer.body
        stack.change(api={"replicas": None, "progressDeadlineSeconds": None})
        stack.wait_ready()
