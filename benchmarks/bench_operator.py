"""The operator against a plain client that applies the same objects in parallel, on a control plane without nodes.

`make bench-operator`, or this file with `--stacks 1 100 1000`. The client has the operator's account, so that the API
server does the same work for both: it checks, for one, who may grant the rights in a RoleBinding. A stand-in for nodes
gives Jobs and Deployments the status they would get, for both sides alike; for one stack the time of the migration Job
is left out, and the medians of several stacks in turns are compared. Writes are counted and timed in the API server's
audit log. Goals are printed beside what was measured.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from loppestars_operator.kinds import STACK, Manifest, key_of, kind_named, kind_of
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.rendering import render, render_migration, with_hash
from tests.factories.cluster_client import AuditLog, Client, condition
from tests.factories.operator_process import ACCOUNT, GROUPS, OperatorProcess, install_chart
from tests.factories.stacks import make_context, make_stack, sample
from tools.cluster.control_plane import ControlPlane

GOAL_RATIO, GOAL_THROUGHPUT, GOAL_MEMORY, NOISE = 1.3, 0.6, 150, 2
ROUNDS: Final = 9
TOUCHED: Final = 20
IN_FLIGHT: Final = 16
UNRELATED: Final = 5000
REACTIONS: Final = 40
RESYNC_SECONDS: Final = 10
JOB, DEPLOYMENT, SERVICE = kind_named("Job"), kind_named("Deployment"), kind_named("Service")


class NodesStandIn:
    """Watches Jobs and Deployments and completes them at once."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube

    async def run(self) -> None:
        await asyncio.gather(*(self._keep(kind) for kind in (JOB, DEPLOYMENT)))

    async def _keep(self, kind: Any) -> None:
        version = "0"
        while True:
            with contextlib.suppress(KubeError):
                async for event in self._kube.watch(kind.path(), resourceVersion=version, timeoutSeconds="600"):
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] in {"ADDED", "MODIFIED"}:
                        await self._complete(event["object"])
                continue
            version = "0"

    async def _complete(self, live: Manifest) -> None:
        status = live.get("status") or {}
        if live["kind"] == "Job":
            wanted = None if status.get("completionTime") else job_status()
        else:
            seen = status.get("observedGeneration") == live["metadata"]["generation"]
            wanted = None if seen else deployment_status(live)
        if wanted is None:
            return
        key = key_of(live)
        with contextlib.suppress(KubeError):
            await self._kube.call(  # what nodes write, the operator has no call for
                "PATCH",
                kind_of(live).path(key.namespace, key.name) + "/status",
                body={"status": wanted},
                content_type="application/merge-patch+json",
            )


def job_status() -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now, "lastProbeTime": now}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    return {"startTime": now, "completionTime": now, "succeeded": 1, "conditions": conditions}


def deployment_status(live: Manifest) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    count = live["spec"]["replicas"]
    condition = {"status": "True", "lastTransitionTime": now, "lastUpdateTime": now, "message": ""}
    return {
        "observedGeneration": live["metadata"]["generation"],
        "replicas": count,
        "updatedReplicas": count,
        "readyReplicas": count,
        "availableReplicas": count,
        "conditions": [
            condition | {"type": "Progressing", "reason": "NewReplicaSetAvailable"},
            condition | {"type": "Available", "reason": "MinimumReplicasAvailable"},
        ],
    }


@dataclass
class Run:
    """Seconds for a number of stacks, and how many objects that were."""

    seconds: float
    objects: int

    @property
    def rate(self) -> float:
        return self.objects / self.seconds


async def in_parallel(tasks: Iterable[Any]) -> None:
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(task: Any) -> None:
        async with slots:
            await task

    await asyncio.gather(*(one(task) for task in tasks))


async def baseline(kube: KubeClient, namespace: str, stacks: int) -> Run:
    """Apply what the operator would, with the same client, all at once and in no order but the RoleBindings'."""
    manifests = []
    for number in range(stacks):
        context = make_context(make_stack(name=f"plain-{number}", namespace=namespace))
        manifests += [*render(context), with_hash(render_migration(context))]
    for manifest in manifests:
        del manifest["metadata"]["ownerReferences"]
    last = [manifest for manifest in manifests if manifest["kind"] == "RoleBinding"]
    first = [manifest for manifest in manifests if manifest["kind"] != "RoleBinding"]
    began = time.monotonic()
    for wave in (first, last):
        await in_parallel(
            kube.apply(kind_of(manifest).path(namespace, key_of(manifest).name), manifest) for manifest in wave
        )
    return Run(time.monotonic() - began, len(manifests))


async def reconciled(client: Client, audit: AuditLog, stacks: int, prefix: str, *, quiet: bool = False) -> Run:
    """Create stacks and wait until all are Ready."""
    bodies = []
    for number in range(stacks):
        body = sample("01-minimal")
        body["metadata"] = {"name": f"{prefix}-{number}", "namespace": client.namespace}
        bodies.append(body)
    mark, began = audit.mark(), time.monotonic()
    await in_parallel(client.kube.create(STACK.path(client.namespace), body) for body in bodies)
    while True:
        ready = sum(
            is_ready(stack) for stack in await client.list(STACK) if stack["metadata"]["name"].startswith(prefix)
        )
        if ready == stacks:
            break
        await asyncio.sleep(0.01 if stacks == 1 else 1)
    seconds = time.monotonic() - began
    await asyncio.sleep(1)
    objects = [write for write in audit.writes(ACCOUNT, mark, client.namespace) if is_object(write)]
    if not quiet:
        others = Counter(write.rpartition("/")[0] for write in audit.writes(ACCOUNT, mark) if not is_object(write))
        print(f"  beside them: {dict(others)}")
        twice = [entry for entry, count in Counter(objects).items() if count > 1]
        print(f"  {stacks} stacks: {len(objects)} applies, {len(twice)} objects applied more than once {twice[:3]}")
    if stacks == 1:
        seconds = apply_time(audit.path, mark, client.namespace)
    return Run(seconds, len(objects))


def is_ready(stack: Manifest) -> bool:
    status = stack.get("status") or {}
    return bool(status.get("conditions")) and condition(status, "Ready")["status"] == "True"


def is_object(write: str) -> bool:
    return not write.startswith(("create events", "patch loppestarsstacks", "patch crawls"))


def apply_time(log: Path, mark: int, namespace: str) -> float:
    """From the stack's creation to the last apply, without the time between the Job's creation and its completion."""
    with log.open() as lines:
        lines.seek(mark)
        entries = [json.loads(line) for line in lines]
    entries = [entry for entry in entries if entry["objectRef"].get("namespace") == namespace]

    def at(entry: dict[str, Any], key: str = "stageTimestamp") -> float:
        return datetime.fromisoformat(entry[key]).timestamp()

    created = next(entry for entry in entries if entry["objectRef"]["resource"] == "loppestarsstacks")
    jobs = [entry for entry in entries if entry["objectRef"]["resource"] == "jobs"]
    waited = at(jobs[1]) - at(jobs[0])
    mine = [entry for entry in entries if entry["user"]["username"] == ACCOUNT]
    last = max(at(entry) for entry in mine if entry["objectRef"]["resource"] not in {"loppestarsstacks", "events"})
    return last - at(created) - waited


async def compare_one(kube: KubeClient, plain_client: KubeClient, audit: AuditLog) -> None:
    """One stack at a time, in turns with the plain client."""
    ours, plain = [], []
    for number in range(ROUNDS):
        plain.append(await baseline(plain_client, await namespace(kube, f"plain-{number}"), 1))
        client = Client(kube, await namespace(kube, f"bench-{number}"))
        ours.append(await reconciled(client, audit, 1, "s", quiet=number > 0))
    mine, theirs = (statistics.median(run.seconds for run in runs) for runs in (ours, plain))
    ratio = statistics.median(run.seconds / other.seconds for run, other in zip(ours, plain, strict=True))
    text = f"{ratio:.2f} x baseline (medians {mine:.3f} s, {theirs:.3f} s; goal {GOAL_RATIO})"
    verdict("1 stack", text, good=ratio <= GOAL_RATIO)


async def compare_many(kube: KubeClient, plain_client: KubeClient, audit: AuditLog, count: int) -> Client:
    """Many at once, after a sample of as many by the plain client."""
    plain = await baseline(plain_client, await namespace(kube, f"plain-of-{count}"), min(count, 200))
    client = Client(kube, await namespace(kube, f"bench-of-{count}"))
    ours = await reconciled(client, audit, count, "s")
    ratio = ours.rate / plain.rate
    rates = f"{ours.rate:.0f}/s, {plain.rate:.0f}/s; goal {GOAL_THROUGHPUT}"
    verdict(f"{count} stacks", f"{ratio:.2f} of the baseline's throughput ({rates})", good=ratio >= GOAL_THROUGHPUT)
    return client


def resident(pid: int) -> int:
    """MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024


async def reactions(client: Client, prefix: str) -> list[float]:
    """Seconds until a deleted Service is back."""
    took = []
    for number in range(REACTIONS):
        name = f"{prefix}-{number % TOUCHED}-api"
        before = await client.get(SERVICE, name)
        began = time.monotonic()
        await client.delete(SERVICE, name)
        while True:
            live = await client.get(SERVICE, name)
            if live and before and live["metadata"]["uid"] != before["metadata"]["uid"]:
                break
            await asyncio.sleep(0.005)
        took.append(time.monotonic() - began)
    return sorted(took)


async def unrelated(kube: KubeClient) -> None:
    await namespace(kube, "unrelated")
    data = {"text": "x" * 2000}
    await in_parallel(
        kube.create(
            "/api/v1/namespaces/unrelated/configmaps",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c-{number}"}, "data": data},
        )
        for number in range(UNRELATED)
    )


async def namespace(kube: KubeClient, name: str) -> str:
    await kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def verdict(what: str, value: str, *, good: bool) -> None:
    print(f"{'ok  ' if good else 'MISS'} {what}: {value}")


async def measure(plane: ControlPlane, counts: list[int], scratch: Path) -> None:
    audit = AuditLog(plane.audit_log)
    account = str(plane.kubeconfig_for(ACCOUNT, GROUPS))
    async with (
        await KubeClient.connect(str(plane.kubeconfig)) as kube,
        await KubeClient.connect(str(plane.kubeconfig)) as nodes,
        await KubeClient.connect(account) as plain_client,
    ):
        standing_in = asyncio.create_task(NodesStandIn(nodes).run())
        with OperatorProcess(plane, scratch / "operator.log", RESYNC_SECONDS="86400", LOG_LEVEL="INFO") as operator:
            operator.wait_for_line("reconciling_started")
            print(f"start: {resident(operator.pid)} MiB")
            await reconciled(Client(kube, await namespace(kube, "warm")), audit, 1, "warm")
            for count in counts:
                if count == 1:
                    await compare_one(kube, plain_client, audit)
                    client = Client(kube, "bench-0")
                else:
                    client = await compare_many(kube, plain_client, audit, count)
                rss = resident(operator.pid)
                verdict("memory", f"{rss} MiB (goal {GOAL_MEMORY} at 1,000 stacks)", good=rss <= GOAL_MEMORY)
            if counts[-1] >= TOUCHED:
                took = await reactions(client, "s")
                text = f"median {took[len(took) // 2] * 1000:.0f} ms, slowest {took[-1] * 1000:.0f} ms (goal p99 < 1 s)"
                verdict(f"reaction while {counts[-1]} stacks are idle", text, good=took[-1] < 1)
            before = resident(operator.pid)
            await unrelated(kube)
            after = resident(operator.pid)
            verdict(
                f"memory after {UNRELATED} unrelated ConfigMaps",
                f"{after - before:+d} MiB",
                good=after - before <= NOISE,
            )
        mark = audit.mark()
        with OperatorProcess(plane, scratch / "again.log", RESYNC_SECONDS=str(RESYNC_SECONDS)) as operator:
            await asyncio.sleep(RESYNC_SECONDS * 3 + counts[-1] / 20)
            passes = [line for line in operator.metrics().splitlines() if "reconciles_total" in line]
            print("  " + "; ".join(line for line in passes if not line.startswith("#")))
            writes = audit.writes(ACCOUNT, mark)
            by_kind = dict(Counter(write.rpartition("/")[0] for write in writes))
            verdict("restart and no-op resyncs", f"{len(writes)} writes {by_kind or ''}", good=not writes)
            print(f"  {resident(operator.pid)} MiB")
        standing_in.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stacks", type=int, nargs="+", default=[1, 100], help="numbers of stacks to measure with")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        ControlPlane(audit=True, admission_plugins="") as plane,
    ):
        install_chart(plane)
        asyncio.run(measure(plane, options.stacks, Path(scratch)))


if __name__ == "__main__":
    main()
