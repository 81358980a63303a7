"""A canary over an API server in memory: one pod first, the rest after it passed, all back where it failed."""

from datetime import UTC, datetime

import pytest

from loppestars_operator.kinds import EVENT, Manifest
from loppestars_operator.plan.canary import Counts
from loppestars_operator.reconcile.probing import counts_in
from tests.factories.passes import DEPLOYMENT, KEY, POD, Passes

GOOD = Counts(100, 0)
ROLLOUT = {"rollout": {"canary": {"seconds": 30}}}


@pytest.fixture
async def passes() -> Passes:
    passes = Passes(operator="operators/one")
    passes.apply(**ROLLOUT)
    await passes.ready()
    return passes


def deployment(passes: Passes, component: str = "api") -> Manifest:
    body = passes.kube.find(DEPLOYMENT, f"fair-{component}")
    assert body
    return body


def image(passes: Passes, component: str = "api") -> str:
    found: str = deployment(passes, component)["spec"]["template"]["spec"]["containers"][0]["image"]
    return found.rpartition(":")[2]


async def try_version(passes: Passes, version: str = "0.2.0", counts: Counts | None = GOOD) -> None:
    """Set a version, let its migration succeed, and start the canary's pod, which is Ready for 31 seconds then."""
    passes.apply(version=version, **ROLLOUT)
    await passes.run()
    passes.play()
    await passes.run()
    start_pod(passes, ready=passes.now)
    passes.answered["canary"] = counts
    passes.wait(seconds=31)


def start_pod(passes: Passes, *, ready: datetime | None, restarts: int = 0) -> None:
    api = deployment(passes)
    passes.pod("canary", "api", api, restartCount=restarts)
    body = passes.kube.find(POD, "canary")
    assert body
    body["metadata"]["annotations"] = api["spec"]["template"]["metadata"]["annotations"]
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    condition |= {"lastTransitionTime": ready.astimezone(UTC).isoformat()} if ready else {}
    body["status"]["conditions"] = [condition]
    passes.kube.put(POD, body)


def observe(passes: Passes) -> None:
    """Let the controllers look at what was applied: nothing more of it is available while it is held."""
    for body in passes.kube.all(DEPLOYMENT):
        generation = body["metadata"]["generation"]
        passes.kube.set_status(DEPLOYMENT, body["metadata"]["name"], observedGeneration=generation)


class TestCanary:
    async def test_one_pod_first(self, passes: Passes) -> None:
        """The API's Deployment stops at its first pod; everything else stays on the old version."""
        passes.apply(version="0.2.0", **ROLLOUT)
        await passes.run()
        passes.play()
        look_again = await passes.run()
        observe(passes)
        await passes.run()
        spec = deployment(passes)["spec"]
        assert image(passes) == "0.2.0"
        assert spec["minReadySeconds"] < spec["progressDeadlineSeconds"]
        assert spec["minReadySeconds"] > 86_400
        assert (image(passes, "imaging"), image(passes, "jobs")) == ("0.1.0", "0.1.0")
        assert look_again is not None
        assert passes.condition("Ready")["reason"] == "Canary"
        assert passes.status["phase"] == "Deploying"
        assert passes.status["version"] == "0.1.0"

    async def test_passes(self, passes: Passes) -> None:
        """The rest follows, and the status and an event say so."""
        await try_version(passes)
        await passes.run()
        assert "minReadySeconds" not in deployment(passes)["spec"]
        assert image(passes, "imaging") == "0.2.0"
        await passes.ready()
        assert passes.status["version"] == "0.2.0"
        assert passes.status["rollout"]["canary"]["step"] == "Passed"
        assert "CanaryPassed" in {event["reason"] for event in passes.kube.all(EVENT)}

    @pytest.mark.parametrize("counts", [Counts(100, 50), None])
    async def test_goes_back_by_itself(self, passes: Passes, counts: Counts | None) -> None:
        """Errors, or answers that no one can read: all of it is the old version again, and stays so."""
        before = deployment(passes)["spec"]
        await try_version(passes, counts=counts)
        passes.wait(seconds=61)
        await passes.ready()
        assert deployment(passes)["spec"] == before
        assert image(passes, "imaging") == "0.1.0"
        assert passes.condition("Ready")["reason"] == "RolledBack"
        assert "canary of version 0.2.0" in passes.condition("Ready")["message"]
        writes = len(passes.kube.writes())
        await passes.run()
        assert len(passes.kube.writes()) == writes

    async def test_restart(self, passes: Passes) -> None:
        """A container that ended once is enough, before its time is over."""
        await try_version(passes)
        start_pod(passes, ready=passes.now, restarts=1)
        await passes.ready()
        assert passes.condition("Ready")["reason"] == "RolledBack"

    async def test_retry(self, passes: Passes) -> None:
        """The annotation tries it again from the start, on one pod."""
        await try_version(passes, counts=Counts(100, 50))
        await passes.ready()
        passes.kube.remove(POD, "canary")
        passes.annotate(retry="1")
        await passes.run()
        passes.play()
        await passes.run()
        assert deployment(passes)["spec"]["minReadySeconds"]
        assert image(passes) == "0.2.0"

    async def test_another_process(self, passes: Passes) -> None:
        """An operator that starts in the middle goes on with it, closed until the pod is good."""
        await try_version(passes, counts=None)
        other = Passes(kube=passes.kube, operator="operators/one", now=passes.now)
        await other.run()
        assert deployment(passes)["spec"]["minReadySeconds"]
        other.answered["canary"] = Counts(10, 0)
        await other.run()
        assert "minReadySeconds" not in deployment(passes)["spec"]

    async def test_status_is_written_per_step(self, passes: Passes) -> None:
        """Not at each look."""
        await try_version(passes)
        start_pod(passes, ready=passes.now)
        observe(passes)
        await passes.run()
        before = len(passes.kube.writes())
        passes.answered["canary"] = Counts(777, 1)
        passes.wait(seconds=2)
        await passes.run()
        assert len(passes.kube.writes()) == before

    async def test_not_for_other_components(self, passes: Passes) -> None:
        """Imaging alone rolls as ever: the API's pods stay as they are."""
        passes.apply(imaging={"image": "ghcr.io/loppestars/imaging:0.1.1"}, **ROLLOUT)
        await passes.ready()
        assert passes.condition("Ready")["status"] == "True"
        assert image(passes, "imaging") == "0.1.1"

    async def test_first_version(self) -> None:
        """Nothing serves yet that could serve on: no canary."""
        passes = Passes()
        passes.apply(**ROLLOUT)
        await passes.ready()
        assert passes.condition("Ready")["status"] == "True"
        assert KEY.name == "fair"


class TestCountsIn:
    def test_metrics_of_the_api(self) -> None:
        """Probes do not count."""
        text = """# HELP loppestars_http_requests_total Answered requests
# TYPE loppestars_http_requests_total counter
loppestars_http_requests_total{method="GET",route="/markets/nearby",status="200"} 40.0
loppestars_http_requests_total{method="GET",route="/markets/nearby",status="503"} 2.0
loppestars_http_requests_total{method="GET",route="/ready",status="503"} 9.0
loppestars_http_requests_total{method="POST",route="/process",status="404"} 1.0
"""
        assert counts_in(text) == Counts(43, 2)

    def test_something_else(self) -> None:
        """It is not taken for zero errors."""
        with pytest.raises(ValueError, match=r"."):
            counts_in("<html>{ not metrics")
