"""A stack's sleep over an API server in memory: no pods, nothing started, everything else kept; it wakes as it was."""

import pytest

from loppestars_operator.kinds import CRAWL, Manifest, OwnedKind, kind_named
from tests.factories.passes import DEPLOYMENT, JOB, Passes, deployment_status

HPA, CRON_JOB, POD = kind_named("HorizontalPodAutoscaler"), kind_named("CronJob"), kind_named("Pod")
KEPT = [kind_named(name) for name in ("Service", "Ingress", "NetworkPolicy", "ServiceAccount", "PodDisruptionBudget")]
HOST = {"ingress": {"host": "fair.example.com"}}


@pytest.fixture
async def passes() -> Passes:
    """A stack that is Ready, whose autoscaler has chosen five pods for the API."""
    passes = Passes()
    passes.kube.addons.add("monitoring.coreos.com")
    passes.apply(**HOST)
    await passes.ready()
    body = deployment(passes)
    passes.kube.put(DEPLOYMENT, {**body, "spec": {**body["spec"], "replicas": 5}})
    await passes.ready()
    return passes


def deployment(passes: Passes, component: str = "api") -> Manifest:
    body = passes.kube.find(DEPLOYMENT, f"fair-{component}")
    assert body
    return body


def names(passes: Passes, kind: OwnedKind) -> list[str]:
    return [body["metadata"]["name"] for body in passes.kube.all(kind)]


class TestSleep:
    async def test_no_pods_and_nothing_started(self, passes: Passes) -> None:
        """Deployments at 0, autoscalers gone, schedules suspended, no alerts; routes and the rest stay."""
        kept = {kind.kind: names(passes, kind) for kind in KEPT}
        passes.apply(hibernated=True, **HOST)
        await passes.ready()
        assert [body["spec"]["replicas"] for body in passes.kube.all(DEPLOYMENT)] == [0, 0, 0]
        assert not passes.kube.all(HPA)
        assert all(body["spec"]["suspend"] for body in passes.kube.all(CRON_JOB))
        assert not passes.kube.all(kind_named("PrometheusRule"))
        assert {kind.kind: names(passes, kind) for kind in KEPT} == kept

    async def test_status(self, passes: Passes) -> None:
        """Hibernated, and nothing for kstatus, Argo CD or an alert to complain of."""
        passes.apply(hibernated=True, **HOST)
        await passes.ready()
        assert passes.status["phase"] == "Hibernated"
        assert passes.condition("Hibernated")["status"] == "True"
        assert (passes.condition("Ready")["status"], passes.condition("Ready")["reason"]) == ("True", "Hibernated")
        assert {passes.condition(kind)["status"] for kind in ("Stalled", "Reconciling")} == {"False"}
        assert passes.condition("ApiAvailable")["reason"] == "Hibernated"

    async def test_work_under_way_is_finished(self, passes: Passes) -> None:
        """A Job that runs is named and waited for; a Crawl that is asked for waits."""
        passes.kube.put(CRAWL, {"metadata": {"name": "one"}, "spec": {"stackRef": {"name": "fair"}}})
        await passes.run()
        running = names(passes, JOB)[-1]
        passes.kube.put(CRAWL, {"metadata": {"name": "two"}, "spec": {"stackRef": {"name": "fair"}}})
        passes.apply(hibernated=True, **HOST)
        await passes.run()
        for body in passes.kube.all(DEPLOYMENT):
            passes.kube.set_status(DEPLOYMENT, body["metadata"]["name"], **deployment_status(body, "available"))
        await passes.run()
        assert passes.status["phase"] == "Hibernating"
        assert running in passes.condition("Hibernated")["message"]
        await passes.ready()
        assert passes.status["phase"] == "Hibernated"
        two = passes.kube.find(CRAWL, "two")
        assert two
        assert two["status"]["message"] == "the stack is hibernated"

    async def test_a_new_version_waits(self, passes: Passes) -> None:
        """Neither a migration nor another template before the stack wakes; then both."""
        before = deployment(passes)["spec"]["template"]
        passes.apply(hibernated=True, **HOST)
        await passes.ready()
        jobs = names(passes, JOB)
        passes.apply(hibernated=True, version="0.2.0", **HOST)
        await passes.ready()
        assert set(names(passes, JOB)) <= set(jobs)
        assert deployment(passes)["spec"]["template"] == before
        assert passes.status["phase"] == "Hibernated"
        passes.apply(version="0.2.0", **HOST)
        await passes.ready()
        assert passes.status["version"] == "0.2.0"

    async def test_from_the_start(self) -> None:
        """A stack that is made asleep starts nothing, the migration included."""
        passes = Passes()
        passes.apply(hibernated=True)
        await passes.ready()
        assert not passes.kube.all(JOB)
        assert passes.status["phase"] == "Hibernated"
        passes.apply()
        await passes.ready()
        assert passes.status["phase"] == "Ready"

    async def test_paused_too(self, passes: Passes) -> None:
        """A paused stack is left alone."""
        passes.apply(hibernated=True, paused=True, **HOST)
        await passes.ready()
        assert deployment(passes)["spec"]["replicas"] == 5
        assert passes.status["phase"] == "Paused"

    async def test_a_silent_sleep(self, passes: Passes) -> None:
        """A pass over a stack that sleeps writes nothing."""
        passes.apply(hibernated=True, **HOST)
        await passes.ready()
        before = len(passes.kube.writes())
        await passes.run()
        assert [call.path + str(call.body) for call in passes.kube.writes()[before:]] == []


class TestWaking:
    async def test_as_it_was(self, passes: Passes) -> None:
        """The same number of pods and the same templates; the autoscaler has its number of pods again."""
        before = {body["metadata"]["name"]: body["spec"]["template"] for body in passes.kube.all(DEPLOYMENT)}
        scalers = names(passes, HPA)
        passes.apply(hibernated=True, **HOST)
        await passes.ready()
        passes.apply(**HOST)
        await passes.run()
        assert deployment(passes)["spec"]["replicas"] == 5
        await passes.ready()
        assert passes.status["phase"] == "Ready"
        after = {body["metadata"]["name"]: body["spec"]["template"] for body in passes.kube.all(DEPLOYMENT)}
        assert after == before
        assert names(passes, HPA) == scalers
        api = deployment(passes)["metadata"]
        assert "loppestars.dev/awake-replicas" not in api["annotations"]
        ours = [entry for entry in api["managedFields"] if entry["manager"].startswith("loppestars-operator")]
        assert not any("f:replicas" in entry["fieldsV1"].get("f:spec", {}) for entry in ours)

    async def test_phase(self, passes: Passes) -> None:
        """Waking, until pods are available."""
        passes.apply(hibernated=True, **HOST)
        await passes.ready()
        passes.apply(**HOST)
        await passes.run()
        stuck = {"replicas": 5, "updatedReplicas": 5, "observedGeneration": 99}
        for body in passes.kube.all(DEPLOYMENT):
            passes.kube.set_status(DEPLOYMENT, body["metadata"]["name"], **stuck, availableReplicas=0, readyReplicas=0)
        await passes.run()
        assert passes.status["phase"] == "Waking"
        assert passes.condition("Ready")["status"] == "False"

    async def test_killed_in_between(self, passes: Passes) -> None:
        """Another process that has seen nothing of the sleep wakes it as it was, too."""
        passes.apply(hibernated=True, **HOST)
        await passes.ready()
        passes.apply(**HOST)
        await Passes(kube=passes.kube).ready()
        assert deployment(passes)["spec"]["replicas"] == 5
