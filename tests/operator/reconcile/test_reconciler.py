"""Whole passes over an API server in memory: install, upgrade, failure, rollback, prune, crawl, deletion, refusal."""

import json
from typing import Any

import pytest

from loppestars_operator.kinds import CRAWL, EVENT, LEASE, OWNED_KINDS, SECRET, STACK, OwnedKind, kind_named
from loppestars_operator.kube.client import KubeError
from loppestars_operator.reconcile.apply import is_made_by_us
from loppestars_operator.spec.policy import Policy
from tests.factories.fake_kube import Fault
from tests.factories.passes import DEPLOYMENT, JOB, KEY, Passes


@pytest.fixture
def passes() -> Passes:
    return Passes()


def image(passes: Passes, component: str = "api") -> str:
    body = passes.kube.find(DEPLOYMENT, f"fair-{component}")
    assert body
    found: str = body["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def template(passes: Passes, component: str = "api") -> dict[str, Any]:
    body = passes.kube.find(DEPLOYMENT, f"fair-{component}")
    assert body
    found: dict[str, Any] = body["spec"]["template"]
    return found


class TestInstall:
    async def test_migration_first(self, passes: Passes) -> None:
        """Nothing that serves exists before the database is migrated."""
        passes.apply()
        await passes.run()
        assert passes.kube.all(JOB)
        assert not passes.kube.all(DEPLOYMENT)
        assert passes.condition("Ready")["reason"] == "Migrating"

    async def test_ready(self, passes: Passes) -> None:
        """Everything is there, each object applied once, and the status says so."""
        passes.apply()
        status = await passes.ready()
        assert passes.condition("Ready")["status"] == "True"
        assert status["version"] == "0.1.0"
        paths = [call.path for call in passes.kube.writes("PATCH") if not call.path.endswith("/status")]
        assert len(paths) == len(set(paths))

    async def test_pass_without_a_change_writes_nothing(self, passes: Passes) -> None:
        """An idle operator is silent."""
        passes.apply()
        await passes.ready()
        before = len(passes.kube.writes())
        await passes.run()
        assert len(passes.kube.writes()) == before

    async def test_condition_that_came_later(self, passes: Passes) -> None:
        """The API server appends it to the others; the order makes no difference worth a write."""
        passes.apply()
        await passes.ready()
        passes.apply(ingress={"host": "fair.example.com"})
        await passes.ready()
        before = len(passes.kube.writes())
        await passes.run()
        assert len(passes.kube.writes()) == before

    async def test_migration_failed(self, passes: Passes) -> None:
        """The last words of the Job are the message, and a retry runs another one."""
        passes.apply()
        await passes.ready(job="Failed", message="no such host 💥")
        assert passes.condition("Stalled")["reason"] == "MigrationFailed"
        assert "no such host 💥" in passes.condition("Stalled")["message"]
        first = passes.kube.all(JOB)[0]["metadata"]["name"]
        passes.annotate(retry="1")
        await passes.run()
        assert first != passes.kube.all(JOB)[-1]["metadata"]["name"]

    async def test_paused(self, passes: Passes) -> None:
        """Nothing is applied."""
        passes.apply(paused=True)
        await passes.run()
        assert not passes.kube.all(DEPLOYMENT)
        assert passes.status["phase"] == "Paused"


class TestUpgrade:
    async def test_version(self, passes: Passes) -> None:
        """The old version serves until the migration of the new one has succeeded."""
        passes.apply()
        await passes.ready()
        passes.apply(version="0.2.0")
        await passes.run()
        assert image(passes).endswith(":0.1.0")
        await passes.ready()
        assert image(passes).endswith(":0.2.0")
        assert [entry["result"] for entry in passes.status["history"]] == ["Serving", "Replaced"]

    async def test_rollback(self, passes: Passes) -> None:
        """A version that does not become available goes back by itself and stays back."""
        passes.apply()
        await passes.ready()
        passes.apply(version="0.2.0")
        await passes.run()
        passes.play()
        await passes.run()
        passes.play(pods="stuck")
        await passes.ready()
        assert image(passes).endswith(":0.1.0")
        assert passes.condition("Ready")["reason"] == "RolledBack"
        assert passes.status["version"] == "0.1.0"

    async def test_autoscaling_takes_over_replicas(self, passes: Passes) -> None:
        """The number of pods stays as it was."""
        passes.apply(api={"replicas": 3})
        await passes.ready()
        passes.apply(api={"autoscaling": {"minReplicas": 2}})
        await passes.ready()
        body = passes.kube.find(DEPLOYMENT, "fair-api")
        assert body
        assert body["spec"]["replicas"] == 3
        managers = {entry["manager"] for entry in body["metadata"]["managedFields"]}
        assert "loppestars-operator-ceding" not in managers

    async def test_what_is_not_rendered_any_more_goes(self, passes: Passes) -> None:
        """The Ingress of a host that was taken out of the spec."""
        ingress = kind_named("Ingress")
        passes.apply(ingress={"host": "fair.example.com"})
        await passes.ready()
        assert passes.kube.find(ingress, "fair-api")
        passes.apply(ingress=None)
        await passes.ready()
        assert not passes.kube.find(ingress, "fair-api")


class TestConfiguration:
    """Pods follow image and configuration together, once, and go back together."""

    async def test_one_edit_rolls_pods_once(self, passes: Passes) -> None:
        """The old version never runs with the new configuration."""
        passes.apply()
        await passes.ready()
        before = template(passes)
        passes.apply(version="0.2.0", api={"pod": {"env": [{"name": "NEW", "value": "1"}]}})
        await passes.run()
        assert template(passes) == before
        await passes.ready()
        assert image(passes).endswith(":0.2.0")
        deployment = passes.kube.find(DEPLOYMENT, "fair-api")
        assert deployment
        assert deployment["metadata"]["generation"] == 2

    async def test_rollback_returns_all_of_it(self, passes: Passes) -> None:
        """Image and variables."""
        passes.apply()
        await passes.ready()
        before = template(passes)
        passes.apply(version="0.2.0", api={"pod": {"env": [{"name": "MODE", "value": "broken"}]}})
        await passes.run()
        passes.play()
        await passes.run()
        assert template(passes) != before
        passes.play(pods="stuck")
        await passes.ready()
        assert passes.condition("Ready")["reason"] == "RolledBack"
        assert template(passes) == before

    async def test_broken_configuration_is_rolled_back(self, passes: Passes) -> None:
        """The same images; another configuration is tried again."""
        passes.apply()
        await passes.ready()
        before = template(passes)
        passes.apply(api={"pod": {"env": [{"name": "MODE", "value": "broken"}]}})
        await passes.run()
        passes.play(pods="stuck")
        await passes.ready()
        assert passes.condition("Ready")["reason"] == "RolledBack"
        assert template(passes) == before
        passes.apply(api={"pod": {"env": [{"name": "MODE", "value": "mended"}]}})
        await passes.ready()
        assert passes.condition("Ready")["status"] == "True"
        assert template(passes) != before

    async def test_replicas_follow_though_it_was_rolled_back(self, passes: Passes) -> None:
        """The number of pods is no part of the revision."""
        passes.apply()
        await passes.ready()
        passes.apply(version="0.2.0")
        await passes.run()
        passes.play()
        await passes.run()
        passes.play(pods="stuck")
        await passes.ready()
        passes.apply(version="0.2.0", api={"replicas": 5})
        await passes.ready()
        deployment = passes.kube.find(DEPLOYMENT, "fair-api")
        assert deployment
        assert deployment["spec"]["replicas"] == 5
        assert image(passes).endswith(":0.1.0")

    async def test_other_database_after_a_lost_status(self, passes: Passes) -> None:
        """What serves stays on its database until the other one is migrated, whatever was recorded."""
        passes.apply()
        await passes.run()
        passes.play()
        passes.kube.faults.append(Fault("PATCH", "/status$", status=500, times=1))
        await passes.ready()
        await passes.ready()
        assert passes.status["rollout"]["database"] == "loppestars-database/url"
        before = template(passes)
        passes.apply(database={"secretRef": {"name": "other-db"}})
        await passes.run()
        assert template(passes) == before
        await passes.ready()
        assert "other-db" in str(template(passes))


class TestPodsThatAreNotCreated:
    """A Job whose pods are refused says why; only its events know."""

    refusal = 'Error creating: pods "x" is forbidden: exceeded quota: compute, requested: limits.cpu=1'

    def refuse(self, passes: Passes, job: dict[str, Any]) -> None:
        involved = {"kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
        body = {"metadata": {"name": "refused"}, "involvedObject": involved, "reason": "FailedCreate"}
        passes.kube.put(EVENT, {**body, "message": self.refusal, "lastTimestamp": "2026-01-01T12:00:09Z"})

    async def test_migration(self, passes: Passes) -> None:
        """Within fifteen seconds, in the condition."""
        passes.apply()
        assert await passes.run() is None
        self.refuse(passes, passes.kube.all(JOB)[0])
        seconds = await passes.run()
        assert seconds
        assert seconds < 15
        passes.wait(seconds=seconds)
        await passes.run()
        assert passes.condition("Ready")["reason"] == "FailedCreate"
        assert "limits.cpu=1" in passes.condition("DatabaseMigrated")["message"]

    async def test_crawl(self, passes: Passes) -> None:
        """In the Crawl's message."""
        passes.apply()
        await passes.ready()
        passes.kube.put(CRAWL, {"metadata": {"name": "by-hand"}, "spec": {"stackRef": {"name": "fair"}}})
        await passes.run()
        self.refuse(passes, next(job for job in passes.kube.all(JOB) if job["metadata"]["name"].startswith("by-hand")))
        passes.wait(seconds=12)
        await passes.run()
        crawl = passes.kube.find(CRAWL, "by-hand")
        assert crawl
        assert "limits.cpu=1" in crawl["status"]["message"]

    async def test_events_may_not_be_read(self, passes: Passes) -> None:
        """Then it says where to look."""
        passes.kube.faults.append(Fault("GET", "/events", 403, "events is forbidden"))
        passes.apply()
        await passes.run()
        passes.wait(seconds=12)
        await passes.run()
        assert "kubectl describe job" in passes.condition("DatabaseMigrated")["message"]


class TestOtherPeoplesObjects:
    """What exists without our label and owner reference is never adopted, whatever its kind and fields."""

    @pytest.mark.parametrize(
        "kind", [kind for kind in OWNED_KINDS if not kind.addon and kind.kind != "Job"], ids=lambda kind: kind.kind
    )
    async def test_never_adopted(self, passes: Passes, kind: OwnedKind) -> None:
        """Not even one without any field that differs from ours."""
        name = "fair-crawler" if kind.kind == "CronJob" else "fair-api"
        passes.apply(networkPolicy={"enabled": True})
        passes.kube.put(kind, {"metadata": {"name": name}})
        before = passes.kube.find(kind, name)
        await passes.ready()
        assert passes.kube.find(kind, name) == before
        assert passes.condition("Stalled")["reason"] == "NameTaken"

    async def test_made_between_look_and_write(self, passes: Passes) -> None:
        """What was applied to it is taken back."""
        account = kind_named("ServiceAccount")
        passes.apply()
        passes.kube.faults.append(Fault("GET", "/serviceaccounts$", answer={"items": []}))
        passes.kube.put(account, {"metadata": {"name": "fair-api", "labels": {"team": "theirs"}}})
        await passes.attempt()
        found = passes.kube.find(account, "fair-api")
        assert found
        assert found["metadata"].get("ownerReferences", []) == []
        assert found["metadata"]["labels"] == {"team": "theirs"}
        assert passes.condition("Stalled")["reason"] == "NameTaken"

    @pytest.mark.parametrize(
        ("entries", "ours"),
        [
            ([], True),
            ([("loppestars-operator", "12:00:00")], True),
            ([("loppestars-operator", "12:00:07")], False),
            ([("helm", "12:00:00"), ("loppestars-operator", "12:00:00")], False),
        ],
        ids=["no fields at all", "lost answer", "older than our call", "fields of others"],
    )
    def test_made_by_us(self, entries: list[tuple[str, str]], *, ours: bool) -> None:
        """What an earlier call made whose answer was lost is not mistaken for somebody else's."""
        live = {
            "metadata": {
                "creationTimestamp": "12:00:00",
                "managedFields": [{"manager": manager, "time": time} for manager, time in entries],
            }
        }
        assert is_made_by_us(live) is ours

    async def test_orphans_of_the_same_stack_are_taken_back(self, passes: Passes) -> None:
        """After `kubectl delete --cascade=orphan` and another apply."""
        account = kind_named("ServiceAccount")
        passes.apply()
        await passes.ready()
        body = passes.kube.find(account, "fair-api")
        assert body
        body["metadata"]["ownerReferences"] = []
        passes.kube.put(account, body)
        await passes.ready()
        found = passes.kube.find(account, "fair-api")
        assert found
        assert len(found["metadata"]["ownerReferences"]) == 1


class TestPolicy:
    async def test_not_allowed(self) -> None:
        """The status says what and what is allowed; what runs stays, and nothing new is applied."""
        passes = Passes(policy=Policy())
        passes.apply()
        await passes.ready()
        before = template(passes)
        passes.apply(image={"registry": "docker.io/evil"}, networkPolicy={"enabled": False})
        await passes.ready()
        stalled = passes.condition("Stalled")
        assert (stalled["status"], stalled["reason"]) == ("True", "NotAllowed")
        assert "docker.io/evil is not from an allowed registry (ghcr.io/loppestars)" in stalled["message"]
        assert "networkPolicy" in stalled["message"]
        assert template(passes) == before

    async def test_migration_takes_no_annotations_of_the_api(self) -> None:
        """An annotation that names the API's container would make the Job invalid."""
        passes = Passes()
        passes.apply(api={"pod": {"annotations": {"container.apparmor.security.beta.kubernetes.io/api": "x"}}})
        await passes.run()
        pod = passes.kube.all(JOB)[0]["spec"]["template"]["metadata"]
        assert "container.apparmor.security.beta.kubernetes.io/api" not in pod.get("annotations", {})


class TestTwoOperators:
    """Two that reconcile one stack would undo each other's work without end."""

    def lease(self, passes: Passes, renewed: str) -> None:
        spec = {"holderIdentity": "other-1", "renewTime": renewed}
        passes.kube.put(LEASE, {"metadata": {"name": "operator", "namespace": "there"}, "spec": spec})

    async def test_second_one_refuses(self, passes: Passes) -> None:
        """With an event, and without a write to the stack or its objects."""
        passes.apply()
        await passes.ready()
        other = Passes(passes.kube, operator="here/operator")
        self.lease(passes, "2026-01-01T11:59:58Z")
        passes.kube.set_status(STACK, "fair", operator="there/operator")
        before = len(passes.kube.writes("PATCH"))
        await other.run()
        assert len(passes.kube.writes("PATCH")) == before
        assert "OtherOperator" in {event["reason"] for event in passes.kube.all(EVENT)}

    @pytest.mark.parametrize("how", ["expired", "absent", "annotated"])
    async def test_takes_over(self, passes: Passes, how: str) -> None:
        """From one whose Lease ran out or is gone, or where the annotation says so."""
        passes.apply()
        await passes.ready()
        passes.kube.set_status(STACK, "fair", operator="there/operator")
        if how != "absent":
            self.lease(passes, "2026-01-01T11:50:00Z" if how == "expired" else "2026-01-01T11:59:58Z")
        if how == "annotated":
            passes.annotate(operator="here/operator")
        await Passes(passes.kube, operator="here/operator").run()
        assert passes.status["operator"] == "here/operator"


class TestRouting:
    async def test_gateway_that_refuses(self, passes: Passes) -> None:
        """Ready would be a lie: no client gets in."""
        passes.kube.addons.add("gateway.networking.k8s.io")
        passes.apply(ingress=None, gateway={"parentRefs": [{"name": "edge"}], "hostnames": ["fair.example.com"]})
        await passes.ready()
        assert passes.condition("Routed")["status"] == "Unknown"
        route = kind_named("HTTPRoute")
        refusal = {"type": "Accepted", "status": "False", "reason": "NoMatchingParent", "message": "no such listener"}
        passes.kube.set_status(route, "fair-api", parents=[{"parentRef": {"name": "edge"}, "conditions": [refusal]}])
        await passes.run()
        assert passes.condition("Ready")["reason"] == "NoMatchingParent"

    async def test_visitors_behind_one_address(self, passes: Passes) -> None:
        """Where a controller routes and nobody said which one, all visitors share one limit: the status says so."""
        passes.apply()
        await passes.ready()
        address = {"ingress": [{"ip": "10.0.0.1"}]}
        passes.kube.set_status(kind_named("Ingress"), "fair-api", loadBalancer=address)
        await passes.run()
        assert "api.trustedProxies" in passes.condition("Routed")["message"]
        passes.apply(api={"trustedProxies": ["10.0.0.0/8"]})
        await passes.ready()
        assert passes.condition("Routed")["message"] == "loppestars.example.com"

    async def test_autoscaler_without_metrics(self, passes: Passes) -> None:
        """The component's condition says so."""
        passes.apply()
        await passes.ready()
        scaler = kind_named("HorizontalPodAutoscaler")
        condition = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "none"}
        passes.kube.set_status(scaler, "fair-api", conditions=[condition])
        await passes.run()
        assert "FailedGetResourceMetric" in passes.condition("ApiAvailable")["message"]
        assert passes.condition("Ready")["status"] == "True"

    async def test_host_of_an_older_stack(self, passes: Passes) -> None:
        """The younger one says so."""
        passes.apply()
        await passes.ready()
        elder = passes.kube.find(STACK, "fair")
        assert elder
        metadata = {"name": "elder", "namespace": "there", "creationTimestamp": "2025-01-01T00:00:00Z"}
        passes.kube.put(STACK, {"metadata": metadata, "spec": elder["spec"]})
        await passes.run()
        assert passes.condition("Routed")["reason"] == "HostTaken"
        assert "there/elder" in passes.condition("Routed")["message"]
        assert passes.condition("Ready")["status"] == "True"


class TestHealing:
    async def test_deleted_object_is_made_again(self, passes: Passes) -> None:
        """With the next pass."""
        service = kind_named("Service")
        passes.apply()
        await passes.ready()
        passes.kube.remove(service, "fair-api")
        await passes.run()
        assert passes.kube.find(service, "fair-api")

    async def test_changed_field_is_put_right(self, passes: Passes) -> None:
        """What was added next to it stays."""
        service = kind_named("Service")
        passes.apply()
        await passes.ready()
        body = passes.kube.find(service, "fair-api")
        assert body
        body["spec"]["selector"] = {"app": "other"}
        body["metadata"]["annotations"]["theirs"] = "kept"
        passes.kube.put(service, body)
        await passes.run()
        found = passes.kube.find(service, "fair-api")
        assert found
        assert found["spec"]["selector"] != {"app": "other"}
        assert found["metadata"]["annotations"]["theirs"] == "kept"

    async def test_conflict_of_a_foreign_object(self, passes: Passes) -> None:
        """A Service of that name stays as it is, and the stack says so."""
        service = kind_named("Service")
        passes.kube.put(service, {"metadata": {"name": "fair-api"}, "spec": {"selector": {"app": "theirs"}}})
        passes.apply()
        await passes.ready()
        found = passes.kube.find(service, "fair-api")
        assert found
        assert found["spec"]["selector"] == {"app": "theirs"}
        assert passes.condition("Stalled")["reason"] == "NameTaken"


class TestRefusals:
    async def test_missing_right(self, passes: Passes) -> None:
        """A 403 of the API server names the right; everything else is applied."""
        message = 'deployments.apps "fair-api" is forbidden: User "x" cannot patch resource'
        passes.kube.faults.append(Fault("PATCH", "/deployments/fair-api", 403, message))
        passes.apply()
        await passes.ready()
        assert passes.condition("Stalled")["reason"] == "Forbidden"
        assert passes.kube.find(DEPLOYMENT, "fair-imaging")

    async def test_admission(self, passes: Passes) -> None:
        """A rule of the cluster is quoted."""
        passes.kube.admit = lambda body: "denied by policy" if body["kind"] == "CronJob" else None
        passes.apply()
        await passes.ready()
        assert passes.condition("Stalled") | {"lastTransitionTime": ""} == {
            "type": "Stalled",
            "status": "True",
            "reason": "Refused",
            "message": "refused by a rule of the cluster: denied by policy",
            "observedGeneration": 1,
            "lastTransitionTime": "",
        }

    async def test_lost_status_write(self, passes: Passes) -> None:
        """The pass fails, and the next one writes it."""
        passes.kube.faults.append(Fault("PATCH", "/status$", carried_out=True, times=1))
        passes.apply()
        with pytest.raises(KubeError):
            await passes.run()
        assert (await passes.ready())["phase"] == "Ready"

    async def test_spec_of_another_schema(self, passes: Passes) -> None:
        """The status says which field; nothing is applied."""
        passes.apply(api={"replicas": "many"})
        await passes.run()
        assert passes.condition("Stalled")["reason"] == "InvalidSpec"
        assert not passes.kube.all(JOB)

    async def test_defect(self, passes: Passes) -> None:
        """A mistake of the operator's own is in the status."""
        passes.apply()
        passes.see()
        await passes.reconciler.report_defect(KEY, ZeroDivisionError("oops"))
        assert passes.condition("Stalled")["reason"] == "InternalError"


class TestCrawls:
    def crawl(self, passes: Passes, name: str = "by-hand", **spec: Any) -> None:
        passes.kube.put(CRAWL, {"metadata": {"name": name}, "spec": {"stackRef": {"name": "fair"}, **spec}})

    def state(self, passes: Passes, name: str = "by-hand") -> dict[str, Any]:
        body = passes.kube.find(CRAWL, name)
        assert body
        found: dict[str, Any] = body.get("status", {})
        return found

    async def test_waits_for_its_stack(self, passes: Passes) -> None:
        """A Crawl of a stack that is not there is Pending."""
        self.crawl(passes)
        await passes.run()
        assert self.state(passes)["state"] == "Pending"

    async def test_runs_and_ends(self, passes: Passes) -> None:
        """Its Job's report becomes its status."""
        passes.apply()
        await passes.ready()
        self.crawl(passes)
        await passes.run()
        assert self.state(passes)["state"] == "Pending"
        await passes.run()
        assert self.state(passes)["state"] == "Running"
        passes.play(message='{"state":"failed","message":"market “Loppe 🎪” broke","counts":{"seen":3}}')
        await passes.run()
        assert (self.state(passes)["state"], self.state(passes)["counts"]["seen"]) == ("Succeeded", 3)
        assert "🎪" in self.state(passes)["message"]

    async def test_one_at_a_time(self, passes: Passes) -> None:
        """The second waits for the first."""
        passes.apply()
        await passes.ready()
        self.crawl(passes, "first")
        self.crawl(passes, "second")
        await passes.run()
        await passes.run()
        assert self.state(passes, "second")["message"].startswith("waits for first-")

    async def test_cancelled(self, passes: Passes) -> None:
        """Its Job is deleted."""
        passes.apply()
        await passes.ready()
        self.crawl(passes)
        await passes.run()
        self.crawl(passes, cancel=True)
        await passes.run()
        await passes.run()
        assert self.state(passes)["state"] == "Cancelled"


class TestDeletion:
    async def test_its_objects_go_with_it(self, passes: Passes) -> None:
        """The passes after it bring nothing back."""
        passes.apply()
        await passes.ready()
        passes.kube.remove(STACK, "fair")
        before = len(passes.kube.writes())
        assert await passes.run() is None
        assert not passes.kube.all(DEPLOYMENT)
        assert len(passes.kube.writes()) == before

    async def test_missed_deletion(self, passes: Passes) -> None:
        """A stack whose end no event told of is asked for before its objects are made again."""
        passes.apply()
        await passes.ready()
        passes.see()
        passes.kube.remove(STACK, "fair")
        for found in list(passes.owned.of(KEY).values()):
            passes.owned.remove(found.body())
        await passes.reconciler.reconcile(KEY)
        assert not passes.kube.all(DEPLOYMENT)


class TestBackup:
    """What backups and drills found is in the status, and a migration waits for one."""

    SPEC = {"s3": {"bucket": "backups"}, "drill": {"scratchSecretRef": {"name": "scratch"}}}  # noqa: RUF012 - a constant

    def end(self, passes: Passes, component: str, report: dict[str, Any]) -> None:
        """Let the CronJob of a component make a Job that succeeds."""
        cron_job = passes.kube.find(kind_named("CronJob"), f"fair-{component}")
        assert cron_job
        meta = {"name": f"fair-{component}-1", "labels": cron_job["metadata"]["labels"]}
        owner = [{"kind": "CronJob", "name": f"fair-{component}", "uid": cron_job["metadata"]["uid"]}]
        done = [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T12:00:05Z"}]
        job = passes.kube.put(JOB, {"metadata": meta | {"ownerReferences": owner}, "spec": {}})
        passes.kube.set_status(JOB, job["metadata"]["name"], conditions=done)
        ended = {"exitCode": 0, "message": json.dumps(report), "finishedAt": "2026-01-01T12:00:04Z"}
        passes.pod(f"{component}-x", component, job, phase="Succeeded", state={"terminated": ended})

    async def test_recoverable(self, passes: Passes) -> None:
        """After a backup and a drill; what they said stays when their Jobs are gone."""
        passes.apply(backup=self.SPEC)
        await passes.ready()
        assert passes.condition("Recoverable")["reason"] == "BackupPending"
        self.end(passes, "backup", {"backup": "b1", "bytes": 7})
        self.end(passes, "drill", {"backup": "b1", "recoveryTimeSeconds": 3, "recoveryPointSeconds": 9})
        await passes.run()
        assert passes.condition("Recoverable")["status"] == "True"
        for component in ("backup", "drill"):
            passes.kube.remove(JOB, f"fair-{component}-1")
        before = passes.status
        await passes.run()
        assert passes.status == before
        assert before["backup"]["bytes"] == 7

    async def test_first_fails(self, passes: Passes) -> None:
        """No migration without it; the status has its words."""
        passes.apply(backup=self.SPEC)
        await passes.run()
        (job,) = passes.kube.all(JOB)
        failed = [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T12:00:05Z"}]
        passes.kube.set_status(JOB, job["metadata"]["name"], conditions=failed)
        passes.pod("m-x", "migrate", job, phase="Failed")
        ended = {
            "exitCode": 1,
            "message": '{"error": "bucket backups does not exist"}',
            "finishedAt": "2026-01-01T12:00:04Z",
        }
        statuses = [{"name": "backup", "state": {"terminated": ended}}]
        passes.kube.set_status(kind_named("Pod"), "m-x", initContainerStatuses=statuses)
        await passes.run()
        assert passes.condition("Stalled")["reason"] == "MigrationFailed"
        assert "bucket backups does not exist" in passes.condition("Stalled")["message"]
        assert passes.condition("Recoverable")["reason"] == "BackupFailed"

    async def test_removed(self, passes: Passes) -> None:
        """No backup is made any more."""
        passes.apply(backup=self.SPEC)
        await passes.ready()
        passes.apply()
        await passes.ready()
        assert passes.kube.find(kind_named("CronJob"), "fair-backup") is None
        assert passes.kube.find(kind_named("ServiceAccount"), "fair-backup") is None
        assert passes.kube.find(kind_named("CronJob"), "fair-crawler")


class TestReservedSecrets:
    """Whoever may create a stack does not thereby get at every Secret of the namespace."""

    @pytest.fixture
    def passes(self) -> Passes:
        found = Passes(reserved=True)
        for name in ("loppestars-database", "loppestars-s3", "loppestars-jwt"):
            self.label(found, name, "any")
        return found

    def label(self, passes: Passes, name: str, value: str | None) -> None:
        """Make a Secret with the label, or without one."""
        labels = {"loppestars.dev/stacks": value} if value else {}
        passes.kube.put(SECRET, {"metadata": {"name": name, "labels": labels}, "data": {}})

    async def test_reserved(self, passes: Passes) -> None:
        """To all stacks, or to this one."""
        self.label(passes, "loppestars-jwt", "fair")
        passes.apply()
        await passes.ready()
        assert passes.condition("Ready")["status"] == "True"

    @pytest.mark.parametrize("label", [None, "another", ""])
    async def test_not_reserved(self, passes: Passes, label: str | None) -> None:
        """No pod is made that would read it, until its label says otherwise; the status has the command."""
        self.label(passes, "loppestars-jwt", label)
        passes.apply()
        assert await passes.attempt()
        assert not passes.kube.all(JOB)
        assert passes.condition("Stalled")["reason"] == "SecretNotReserved"
        assert "label secret loppestars-jwt loppestars.dev/stacks=any" in passes.condition("Stalled")["message"]
        self.label(passes, "loppestars-jwt", "any")
        await passes.ready()
        assert passes.condition("Ready")["status"] == "True"

    async def test_patch(self, passes: Passes) -> None:
        """A Secret that is mounted counts like one that is read."""
        self.label(passes, "payroll", None)
        volumes = [{"name": "x", "secret": {"secretName": "payroll"}}]
        passes.apply(jobs={"podTemplate": {"spec": {"volumes": volumes}}})
        assert await passes.attempt()
        assert "payroll is not reserved" in passes.condition("Stalled")["message"]

    async def test_not_there(self, passes: Passes) -> None:
        """Somebody may yet make it for another purpose."""
        passes.kube.remove(SECRET, "loppestars-jwt")
        passes.apply()
        assert await passes.attempt()
        assert not passes.kube.all(JOB)
        assert passes.condition("Stalled")["reason"] == "SecretMissing"

    async def test_may_not_look(self, passes: Passes) -> None:
        """A right that is missing is no label."""
        passes.kube.faults.append(Fault("GET", r"/secrets/loppestars-jwt$", status=403, message="forbidden"))
        passes.apply()
        assert await passes.attempt()
        assert not passes.kube.all(JOB)
        assert passes.condition("Stalled")["reason"] == "Forbidden"

    async def test_running_stack(self, passes: Passes) -> None:
        """What serves stays as it is when an edit asks for a Secret that is not for stacks."""
        passes.apply()
        await passes.ready()
        before = template(passes)
        self.label(passes, "payroll", None)
        reference = {"name": "payroll", "key": "password"}
        passes.apply(api={"pod": {"env": [{"name": "STOLEN", "secretKeyRef": reference}]}})
        assert await passes.attempt()
        assert template(passes) == before
        assert "payroll is not reserved" in passes.condition("Stalled")["message"]
