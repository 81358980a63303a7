"""A reconciler over an API server in memory, and controllers that play their part between its passes."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.kinds import CRAWL, OWNED_KINDS, POD, STACK, Manifest, kind_named
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.kube.discovery import Discovery
from loppestars_operator.kube.events import Recorder
from loppestars_operator.naming import StackKey
from loppestars_operator.plan.canary import Counts
from loppestars_operator.reconcile.observing import Unfinished
from loppestars_operator.reconcile.reconciler import Reconciler
from loppestars_operator.reconcile.secrets import SecretReader
from loppestars_operator.spec.policy import Policy
from tests.factories.fake_kube import FakeKube
from tests.factories.stacks import sample

KEY = StackKey("shop", "fair")
JOB, DEPLOYMENT = kind_named("Job"), kind_named("Deployment")


@dataclass
class Passes:
    """`await passes.ready()` installs; `await passes.run()` is one pass; `passes.kube` is the cluster."""

    kube: FakeKube = field(default_factory=FakeKube)
    now: datetime = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    operator: str | None = None
    policy: Policy | None = None
    reserved: bool = False
    answered: dict[str, Counts | None] = field(default_factory=dict)
    """What canaries' pods answered, by name."""

    def __post_init__(self) -> None:
        self.client = KubeClient(self.kube)
        self.owned = OwnedCache()
        self.custom = CustomResourceCache()
        self.discovery = Discovery(self.client)
        self.reconciler = Reconciler(
            self.client,
            self.owned,
            self.custom,
            self.discovery,
            Recorder(self.client, "tests"),
            SecretReader(self.client, enabled=False, reserved=self.reserved),
            policy=self.policy,
            operator=self.operator,
            clock=lambda: self.now,
            reader=self,
        )

    async def read(self, pods: Iterable[Manifest]) -> dict[str, Counts | None]:
        """Stand in for the reading of pods' metrics."""
        return {pod["metadata"]["name"]: self.answered.get(pod["metadata"]["name"]) for pod in pods}

    def apply(self, **spec: Any) -> None:
        """Create or change the stack; `spec` are top-level fields of the minimal sample's."""
        body = sample("01-minimal")
        known = self.kube.find(STACK, KEY.name)
        metadata = known["metadata"] if known else {"name": KEY.name, "namespace": KEY.namespace}
        status = {"status": known["status"]} if known and "status" in known else {}
        self.kube.put(STACK, {"metadata": metadata, "spec": body["spec"] | spec, **status})

    def annotate(self, **annotations: str) -> None:
        """Annotate the stack."""
        body = self.kube.find(STACK, KEY.name)
        assert body
        values = {f"loppestars.dev/{name}": value for name, value in annotations.items()}
        body["metadata"]["annotations"] = {**body["metadata"].get("annotations", {}), **values}
        self.kube.put(STACK, body)

    async def run(self) -> float | None:
        """See everything, as the watches would, then make one pass."""
        self.see()
        await self.discovery.refresh()
        return await self.reconciler.reconcile(KEY)

    async def attempt(self) -> Unfinished | None:
        """Make one pass and return what kept it from finishing."""
        try:
            await self.run()
        except Unfinished as unfinished:
            return unfinished
        return None

    def see(self) -> None:
        """Bring the caches to the state of the cluster."""
        stacks = {StackKey(body["metadata"]["namespace"], body["metadata"]["name"]) for body in self.kube.all(STACK)}
        crawls = {(body["metadata"]["namespace"], body["metadata"]["name"]) for body in self.kube.all(CRAWL)}
        self.custom.keep_stacks(None, stacks, "999999")
        self.custom.keep_crawls(None, crawls, "999999")
        for body in self.kube.all(STACK):
            self.custom.put_stack(body)
        for body in self.kube.all(CRAWL):
            self.custom.put_crawl(body)
        for kind in (*OWNED_KINDS, POD):
            known = {key.name: found for key, found in self.owned.of(KEY).items() if key.kind == kind.kind}
            live = {body["metadata"]["name"]: body for body in self.kube.all(kind, KEY.namespace)}
            for name in known.keys() - live.keys():
                self.owned.remove(known[name].body())
            for body in live.values():
                self.owned.put(body)

    def play(self, *, job: str = "Complete", message: str = "", pods: str = "available") -> None:
        """Let Jobs end and Deployments become available, or not (`pods="stuck"`)."""
        for body in self.kube.all(JOB):
            if not (body.get("status") or {}).get("conditions"):
                self._end(body, job, message)
        for body in self.kube.all(DEPLOYMENT):
            if "spec" not in body:
                continue  # another's, of which a test wants nothing to change
            self.kube.set_status(DEPLOYMENT, body["metadata"]["name"], **deployment_status(body, pods))

    def _end(self, job: Manifest, how: str, message: str) -> None:
        name, meta = job["metadata"]["name"], job["metadata"]
        self.kube.set_status(
            JOB, name, conditions=[{"type": how, "status": "True", "lastTransitionTime": "2026-01-01T12:00:05Z"}]
        )
        ended = {"exitCode": int(how == "Failed"), "message": message, "finishedAt": "2026-01-01T12:00:04Z"}
        component = meta["labels"]["app.kubernetes.io/component"]
        phase = "Failed" if how == "Failed" else "Succeeded"
        self.pod(f"{name}-x", component, job, phase=phase, state={"terminated": ended})

    def pod(self, name: str, component: str, owner: Manifest, *, phase: str = "Running", **container: Any) -> None:
        """Make a pod of a Job or of anything else."""
        reference = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        status = {"phase": phase, "containerStatuses": [{"name": component, **container}]}
        metadata = {"name": name, "labels": owner["metadata"]["labels"], "ownerReferences": [reference]}
        self.kube.put(POD, {"metadata": metadata, "spec": {}, "status": status})

    async def ready(self, **play: Any) -> Manifest:
        """Make passes, the controllers playing their part between them, until nothing changes any more."""
        for _ in range(12):
            before = self.kube.version
            with contextlib.suppress(Unfinished, KubeError):
                await self.run()
            self.play(**play)
            if self.kube.version == before:
                break
        return self.status

    @property
    def status(self) -> Manifest:
        """Status of the stack."""
        body = self.kube.find(STACK, KEY.name)
        assert body
        status: Manifest = body.get("status") or {}
        return status

    def condition(self, kind: str) -> Manifest:
        """One condition of the stack; empty before it is set."""
        return next((found for found in self.status.get("conditions", ()) if found["type"] == kind), {})

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


def deployment_status(body: Manifest, pods: str) -> Manifest:
    """Return the status of a Deployment whose pods are all available, or whose newest never will be."""
    wanted, generation = body["spec"].get("replicas", 1), body["metadata"]["generation"]
    if pods == "stuck":
        conditions = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
        return {
            "observedGeneration": generation,
            "replicas": wanted + 1,
            "updatedReplicas": 1,
            "conditions": conditions,
        }
    return {
        "observedGeneration": generation,
        "replicas": wanted,
        "updatedReplicas": wanted,
        "readyReplicas": wanted,
        "availableReplicas": wanted,
        "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
    }
