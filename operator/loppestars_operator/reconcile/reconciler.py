"""One level-based pass over a stack: observe, plan, render, apply, report. It asks for no reason to be run."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Final

import structlog
from pydantic import ValidationError

from loppestars_operator import metrics
from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.kinds import STACK, Manifest, ObjectKey, Wave, key_of, kind_of
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.kube.discovery import Discovery
from loppestars_operator.kube.events import Recorder
from loppestars_operator.naming import CRAWL_KIND, STACK_KIND, StackKey
from loppestars_operator.plan.readiness import UNOBSERVED
from loppestars_operator.plan.rollout import MigrationJob, Plan, plan_rollout, resolve_images
from loppestars_operator.plan.snapshot import Snapshot, take_snapshot
from loppestars_operator.plan.status import StatusInputs, summarise, unusable_status
from loppestars_operator.problems import Problem
from loppestars_operator.reconcile.apply import Applier, Changes, explain
from loppestars_operator.reconcile.crawls import Crawling
from loppestars_operator.reconcile.secrets import SecretReader
from loppestars_operator.reconcile.status_writer import write_status
from loppestars_operator.rendering import ClusterFacts, RenderContext, render, render_migration, with_hash
from loppestars_operator.rendering.context import CRAWLER, IMAGING
from loppestars_operator.spec import Crawl, Stack, StackSpec, StackStatus
from loppestars_operator.spec.state import RolloutStatus

log = structlog.get_logger(__name__)

OBSERVE_GRACE_SECONDS: Final = 5.0
TRANSIENT_GRACE_SECONDS: Final = 3.0


class Reconciler:
    """Brings one stack closer to its spec each time it is asked."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a pass, put together in one place
        self,
        kube: KubeClient,
        store: OwnedCache,
        resources: CustomResourceCache,
        discovery: Discovery,
        recorder: Recorder,
        secrets: SecretReader,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube = kube
        self._store = store
        self._resources = resources
        self._discovery = discovery
        self._recorder = recorder
        self._secrets = secrets
        self._clock = clock
        self._applier = Applier(kube, store)
        self._unobserved: dict[StackKey, float] = {}
        self._troubled: dict[StackKey, float] = {}
        self._slow: set[StackKey] = set()
        self._crawling = Crawling(kube, self._applier, resources, clock)

    async def reconcile(self, key: StackKey) -> float | None:
        """Make one pass; return the seconds after which to look again, if time alone may change the answer.

        Raises:
            KubeError: the API server could not be asked, or a status could not be written.
            Unfinished: something could not be applied; the status says what, and another pass is due.
        """
        body = self._resources.stack(key)
        crawls = _parse_crawls(self._resources.crawls(key))
        if body is None and crawls:
            # At the start Crawls may be told of before their stack is.
            body = await self._fetch(key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            await self._crawling.report_orphans(key, crawls)
            if body is None:
                self._forget(key)
            return None
        try:
            stack = Stack.parse(body)
        except ValidationError as error:
            await self._refuse(body, error)
            return None
        secrets = await self._secrets.read(stack)
        facts = ClusterFacts(self._discovery.groups, secrets.versions)
        snapshot = take_snapshot(self._store.of(key))
        job = snapshot.migration(_render_migration(stack, facts), stack.uid)
        plan = plan_rollout(stack, job, snapshot.workloads())
        if plan.rolled_back and plan.rollout != (stack.status.rollout or RolloutStatus()):
            # The decision is on record before it is acted on, or a pass after a crash might decide otherwise.
            stack = await self._report(
                stack, summarise(stack, plan, StatusInputs(snapshot.workloads(), crawls=crawls), self._now())
            )
        changes = await self._carry_out(stack, plan, job, facts, snapshot)
        (self._slow.add if changes.slow else self._slow.discard)(key)
        look_again, trouble = await self._carry_out_crawls(stack, plan, facts, crawls)
        lasting = [explain(trouble, ObjectKey(CRAWL_KIND, *astuple(key)), CRAWLER)] if trouble else []
        view = StatusInputs(
            workloads=take_snapshot(self._store.of(key)).workloads(),
            problems=(*secrets.problems, *changes.problems, *(problem for problem in lasting if not problem.transient)),
            crawls=_parse_crawls(self._resources.crawls(key)),
            notes=_notes(stack.spec, facts),
        )
        if self._awaits_observation(key, view):
            return OBSERVE_GRACE_SECONDS
        if self._is_transient(stack, view):
            raise Unfinished(view.problems)
        await self._report(stack, summarise(stack, plan, view, self._now()))
        if view.problems:
            raise Unfinished(view.problems)
        if trouble:
            raise trouble
        return min((seconds for seconds in (look_again, secrets.look_again) if seconds is not None), default=None)

    async def _carry_out_crawls(
        self, stack: Stack, plan: Plan, facts: ClusterFacts, crawls: Sequence[Crawl]
    ) -> tuple[float | None, KubeError | None]:
        """Return when to look again, and what went wrong: trouble with a crawl must not silence the stack."""
        try:
            return await self._crawling.carry_out(
                stack, plan, facts, crawls, take_snapshot(self._store.of(stack.key))
            ), None
        except KubeError as error:
            return None, error

    def _forget(self, key: StackKey) -> None:
        """Drop what is remembered of a stack that is gone; a pass under way at its end may have set it again."""
        self._unobserved.pop(key, None)
        self._troubled.pop(key, None)
        self._slow.discard(key)
        self._secrets.forget(key)
        metrics.forget_stack(key.namespace, key.name)

    async def _carry_out(
        self, stack: Stack, plan: Plan, job: MigrationJob, facts: ClusterFacts, snapshot: Snapshot
    ) -> Changes:
        """Apply what the plan allows, in order; what is withheld by the gate is neither applied nor pruned."""
        if stack.spec.paused:
            return Changes({})
        manifests = render(RenderContext(stack, plan.images or plan.desired, facts))
        allowed = [manifest for manifest in manifests if plan.images or kind_of(manifest).wave < Wave.MIGRATION]
        if any(key_of(manifest) not in snapshot.objects for manifest in allowed) and not await self._still_there(stack):
            return Changes({})
        stages, serial = _by_stage(allowed), any(key.namespace == stack.key.namespace for key in self._slow)
        apply = partial(self._applier.apply, observed=snapshot.objects, facts=facts, serial=serial)
        changes = await apply(stages.before)
        if plan.create_migration and not changes.slow:
            changes += await self._applier.create_once(job.manifest, snapshot.objects)
        if changes.slow:
            return changes
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(apply(stages.beside))
            changes += await apply(stages.serving)
            if not changes.slow:
                # Before the rest: KEDA refuses a Deployment that an autoscaler of ours still holds.
                changes += await self._applier.prune(manifests, snapshot.objects, stack.uid)
                changes += await apply(stages.rest)
        await self._clear_migrations(stack, plan, job, snapshot)
        return changes + beside.result()

    async def _clear_migrations(self, stack: Stack, plan: Plan, job: MigrationJob, snapshot: Snapshot) -> None:
        for outdated in snapshot.outdated_migrations(job.manifest, stack.uid):
            await self._applier.delete(outdated)
        if plan.delete_migration and key_of(job.manifest) in snapshot.objects:
            await self._applier.delete(snapshot.objects[key_of(job.manifest)])

    def _awaits_observation(self, key: StackKey, view: StatusInputs) -> bool:
        """Whether a controller has not looked at a change yet: its status is of yesterday, so none is made of it.

        An autoscaler's every step would show as a stack that is not Ready for some milliseconds. A controller that
        stays silent is reported after some seconds.
        """
        if all(workload.readiness.reason != UNOBSERVED for workload in view.workloads.values()):
            self._unobserved.pop(key, None)
            return False
        return time.monotonic() - self._unobserved.setdefault(key, time.monotonic()) < OBSERVE_GRACE_SECONDS

    def _is_transient(self, stack: Stack, view: StatusInputs) -> bool:
        """Whether a Ready stack meets with trouble that may be over with the next try: not worth two statuses."""
        ready = stack.status.condition("Ready")
        is_ready = ready and ready.status == "True" and ready.observed_generation == stack.generation
        if not view.problems or not is_ready or not all(problem.transient for problem in view.problems):
            self._troubled.pop(stack.key, None)
            return False
        return time.monotonic() - self._troubled.setdefault(stack.key, time.monotonic()) < TRANSIENT_GRACE_SECONDS

    async def _still_there(self, stack: Stack) -> bool:
        """Whether this incarnation of the stack exists: a missed deletion must not bring its objects back."""
        live = await self._fetch(stack.key)
        return bool(live and live["metadata"]["uid"] == stack.uid and "deletionTimestamp" not in live["metadata"])

    async def _fetch(self, key: StackKey) -> Manifest | None:
        """Ask for a stack, as events may be missed or late, and remember what is found."""
        try:
            live = await self._kube.get(STACK.path(key.namespace, key.name))
        except KubeError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._resources.forget_stack(key)
            return None
        self._resources.put_stack(live)
        return live

    async def _report(self, stack: Stack, status: StackStatus) -> Stack:
        """Write a status that differs, and return the stack with it."""
        ready = status.condition("Ready")
        metrics.STACK_READY.labels(stack.key.namespace, stack.key.name).set(bool(ready and ready.status == "True"))
        # A stack that never crawled counts from its creation.
        if since := status.last_successful_crawl_at or stack.created_at:
            seconds = datetime.fromisoformat(since).timestamp()
            metrics.CRAWL_LAST_SUCCESS.labels(stack.key.namespace, stack.key.name).set(seconds)
        if status == stack.status:
            return stack
        key = ObjectKey(STACK_KIND, *astuple(stack.key))
        live = await write_status(self._kube, STACK, key, stack.uid, status.to_json())
        if live is None:
            self._resources.forget_stack(stack.key)
            return stack
        self._resources.put_stack(live)
        log.info("status_written", stack=str(stack.key), phase=status.phase, reason=ready.reason if ready else None)
        await self._recorder.conditions_changed(stack, status)
        return replace(stack, status=status)

    async def report_defect(self, key: StackKey, error: Exception) -> None:
        """Say of a stack on which a pass ended by a mistake of ours that it did: silence would look like health."""
        body = self._resources.stack(key)
        if body is not None:
            what = f"{type(error).__name__}: {error}"
            message = f"the operator failed on this stack: {what}; that is a defect, please report it with the log"
            await self._give_up(body, "InternalError", message)

    async def _refuse(self, body: Manifest, error: ValidationError) -> None:
        """Say what is wrong with a resource stored under another schema than this operator's."""
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = f"spec.{field}: {first['msg']}; upgrade the CRDs (chart loppestars-crds) or correct the field"
        await self._give_up(body, "InvalidSpec", message)

    async def _give_up(self, body: Manifest, reason: str, message: str) -> None:
        stack = Stack.parse({**body, "spec": _SOMETHING_VALID})
        await self._report(stack, unusable_status(stack, reason, message, self._now()))

    def _now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")


class Unfinished(Exception):
    """A pass could not do all it wanted; the status says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].message)
        self.transient = any(problem.transient for problem in problems)
        self.slow = any(problem.slow for problem in problems)


_SOMETHING_VALID: Final[Manifest] = {
    "version": "0",
    "database": {"secretRef": {"name": "unknown"}},
    "storage": {"s3": {}},
    "auth": {},
}


def _render_migration(stack: Stack, facts: ClusterFacts) -> Manifest:
    return with_hash(render_migration(RenderContext(stack, resolve_images(stack.spec), facts)))


@dataclass(frozen=True, slots=True)
class _Stages:
    """Manifests by when they are applied: before the migration gate, then what serves, then the rest."""

    before: list[Manifest]
    serving: list[Manifest]
    rest: list[Manifest]
    beside: list[Manifest]


def _by_stage(manifests: Sequence[Manifest]) -> _Stages:
    def of(*waves: Wave) -> list[Manifest]:
        return [manifest for manifest in manifests if kind_of(manifest).wave in waves]

    return _Stages(of(Wave.PREREQUISITES), of(Wave.SERVING), of(Wave.REST), of(Wave.BESIDE))


def _parse_crawls(bodies: list[Manifest]) -> list[Crawl]:
    parsed = []
    for body in bodies:
        try:
            parsed.append(Crawl.parse(body))
        except ValidationError as error:
            log.warning("crawl_invalid", crawl=body["metadata"]["name"], error=str(error))
    return parsed


def _notes(spec: StackSpec, facts: ClusterFacts) -> dict[str, str]:
    scaling = spec.imaging.autoscaling
    if scaling and scaling.queue_depth is not None and "keda.sh" not in facts.groups:
        return {IMAGING: "scales on CPU, since queueDepth needs KEDA and its CRDs are not installed"}
    return {}
