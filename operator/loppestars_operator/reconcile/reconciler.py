"""One level-based pass over a stack: observe, plan, render, apply, report. It needs no reason to be run."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import structlog
from pydantic import ValidationError

from loppestars_operator import metrics
from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.kinds import STACK, Manifest, ObjectKey, key_of
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.kube.discovery import Discovery
from loppestars_operator.kube.events import Recorder
from loppestars_operator.naming import CRAWL_KIND, STACK_KIND, StackKey
from loppestars_operator.plan.readiness import UNOBSERVED
from loppestars_operator.plan.recovery import judge_recovery
from loppestars_operator.plan.rollout import MigrationJob, Plan, Revision, plan_rollout, resolve_images
from loppestars_operator.plan.routing import hosts_of, job_notes, judge_routing, scaling_notes
from loppestars_operator.plan.snapshot import Snapshot, take_snapshot
from loppestars_operator.plan.status import summarise, unusable_status
from loppestars_operator.plan.verdict import StatusInputs, is_taking_up
from loppestars_operator.problems import Problem
from loppestars_operator.reconcile.apply import Applier, Changes, explain
from loppestars_operator.reconcile.crawls import CrawlOutcome, CrawlReconciler
from loppestars_operator.reconcile.ownership import Ownership
from loppestars_operator.reconcile.podless import PodlessJobs
from loppestars_operator.reconcile.secrets import SecretReader, Secrets
from loppestars_operator.reconcile.stages import apply_stages
from loppestars_operator.reconcile.status_metrics import record_status
from loppestars_operator.reconcile.status_writer import write_status
from loppestars_operator.rendering import ClusterFacts, RenderContext, render, render_migration, templates_of, with_hash
from loppestars_operator.rendering.context import CRAWLER, IMAGING
from loppestars_operator.rendering.imaging import SWEEP
from loppestars_operator.spec import Crawl, Stack, StackSpec, StackStatus
from loppestars_operator.spec.policy import Policy, violations

log = structlog.get_logger(__name__)

OBSERVE_GRACE_SECONDS: Final = 5.0
TRANSIENT_GRACE_SECONDS: Final = 3.0
# A revision that became Ready during a pass is recorded by the next one, which no event may ask for.
RECORD_SECONDS: Final = 1.0
_MINIMAL_SPEC: Final[Manifest] = {
    "version": "0",
    "database": {"secretRef": {"name": "unknown"}},
    "storage": {"s3": {}},
    "auth": {},
}


class Unfinished(Exception):
    """A pass could not do all it wanted; the status says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].message)
        self.transient = any(problem.transient for problem in problems)
        self.timed_out = any(problem.timed_out for problem in problems)


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a pass knows before it decides."""

    stack: Stack
    facts: ClusterFacts
    snapshot: Snapshot
    crawls: Sequence[Crawl]
    secrets: Secrets
    desired: Revision
    served: Revision | None
    migration: MigrationJob
    look_again: float | None


class Reconciler:
    """Brings one stack closer to its spec each time it is asked."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a pass, put together in one place
        self,
        kube: KubeClient,
        owned: OwnedCache,
        custom: CustomResourceCache,
        discovery: Discovery,
        recorder: Recorder,
        secrets: SecretReader,
        *,
        policy: Policy | None = None,
        operator: str | None = None,
        listen: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kube = kube
        self._owned = owned
        self._custom = custom
        self._discovery = discovery
        self._recorder = recorder
        self._secrets = secrets
        self._policy = policy
        self._facts = ClusterFacts(listen=listen) if listen else ClusterFacts()
        self._clock = clock
        self._applier = Applier(kube, owned)
        self._ownership = Ownership(kube, operator)
        self._podless = PodlessJobs(kube)
        self._crawls = CrawlReconciler(kube, self._applier, custom, clock)
        self._unobserved: dict[StackKey, float] = {}
        self._troubled: dict[StackKey, float] = {}
        self._timed_out: set[StackKey] = set()

    async def reconcile(self, key: StackKey) -> float | None:
        """Make one pass; return the seconds after which to look again, if time alone may change the answer.

        Raises:
            KubeError: the API server could not be asked, or a status could not be written.
            Unfinished: something could not be applied; the status says what, and another pass is due.
        """
        observed = await self._observe(key)
        if observed is None:
            return None
        plan = self._plan(observed)
        observed = await self._record_rollback(observed, plan)
        changes = await self._apply(observed, plan)
        crawled = await self._crawls.carry_out(
            observed.stack, plan, observed.facts, observed.crawls, self._snapshot(observed)
        )
        return await self._report(observed, plan, changes, crawled)

    async def _observe(self, key: StackKey) -> Observation | None:
        """Return what there is to judge, or None where no pass can be made; the status says why."""
        body, crawls = self._custom.stack(key), _parse_crawls(self._custom.crawls(key))
        if body is None and crawls:
            # At the start Crawls may be seen before their stack is.
            body = await self._fetch(key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            await self._crawls.report_orphans(crawls, f"a {STACK_KIND} named {key.name} in namespace {key.namespace}")
            if body is None:
                self._forget(key)
            return None
        try:
            stack = Stack.parse(body)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            message = f"spec.{field}: {first['msg']}; upgrade the CRDs (chart loppestars-crds) or correct the field"
            await self._give_up(body, "InvalidSpec", message)
            return None
        if conflict := await self._ownership.conflict(stack, self._clock()):
            log.warning("stack_of_another_operator", stack=str(key), other=stack.status.operator)
            await self._recorder.say(stack, "Warning", "OtherOperator", conflict)
            return None
        if refusals := violations(stack, self._policy) if self._policy else []:
            await self._give_up(body, "NotAllowed", "; ".join(refusals))
            await self._crawls.report_orphans(crawls, "the stack to be allowed")
            return None
        return await self._look_at(stack, crawls)

    async def _look_at(self, stack: Stack, crawls: Sequence[Crawl]) -> Observation:
        secrets = await self._secrets.read(stack)
        facts = replace(
            self._facts,
            groups=self._discovery.groups,
            assigns_ids=self._discovery.assigns_ids,
            secrets=secrets.versions,
        )
        snapshot = take_snapshot(self._owned.of(stack.key))
        refusals, look_again = await self._podless.read(snapshot.jobs, snapshot.pods, self._clock())
        snapshot = replace(snapshot, refusals=refusals)
        images = resolve_images(stack.spec)
        job = with_hash(render_migration(RenderContext(stack, images, facts)))
        return Observation(
            stack=stack,
            facts=facts,
            snapshot=snapshot,
            crawls=crawls,
            secrets=secrets,
            desired=Revision(images, stack.spec, templates_of(RenderContext(stack, images, facts))),
            served=_served(stack, facts),
            migration=snapshot.migration(job, stack.uid),
            look_again=_soonest(look_again, secrets.look_again),
        )

    def _snapshot(self, observed: Observation) -> Snapshot:
        """Return what is known of the objects by now, after the pass's own writes."""
        return take_snapshot(self._owned.of(observed.stack.key), observed.snapshot.refusals)

    @staticmethod
    def _plan(observed: Observation) -> Plan:
        return plan_rollout(
            observed.stack, observed.desired, observed.served, observed.migration, observed.snapshot.workloads()
        )

    async def _record_rollback(self, observed: Observation, plan: Plan) -> Observation:
        """Write a rollback down before it is acted on, or a pass after a crash might decide otherwise."""
        if not plan.rolled_back or plan.rollout == observed.stack.status.rollout:
            return observed
        inputs = self._inputs(observed, observed.snapshot, ())
        stack = await self._write(observed.stack, summarise(observed.stack, plan, inputs, self._now()))
        return replace(observed, stack=stack)

    async def _apply(self, observed: Observation, plan: Plan) -> Changes:
        """Render and apply what the plan allows; what the gate withholds is neither applied nor pruned."""
        stack, snapshot = observed.stack, observed.snapshot
        if stack.spec.paused:
            return Changes({})
        shown = plan.revision or plan.desired
        manifests = render(RenderContext(stack, shown.images, observed.facts, pod_spec=shown.spec))
        if any(key_of(manifest) not in snapshot.objects for manifest in manifests) and not await self._still_there(
            stack
        ):
            return Changes({})
        serial = any(key.namespace == stack.key.namespace for key in self._timed_out)
        changes = await apply_stages(
            self._applier, stack, plan, manifests, observed.migration.manifest, snapshot, observed.facts, serial=serial
        )
        (self._timed_out.add if changes.timed_out else self._timed_out.discard)(stack.key)
        return changes

    async def _report(self, observed: Observation, plan: Plan, changes: Changes, crawled: CrawlOutcome) -> float | None:
        """Write the status, unless it may be another one within seconds; return when to look again."""
        stack, snapshot = observed.stack, self._snapshot(observed)
        problems = [*observed.secrets.problems, *changes.problems]
        if crawled.error:
            trouble = explain(crawled.error, ObjectKey(CRAWL_KIND, *astuple(stack.key)), CRAWLER)
            problems += [] if trouble.transient else [trouble]
        inputs = self._inputs(observed, snapshot, problems)
        if self._awaits_observation(stack.key, inputs):
            return OBSERVE_GRACE_SECONDS
        if self._is_transient(stack, inputs):
            raise Unfinished(problems)
        await self._write(stack, summarise(stack, plan, inputs, self._now()))
        if problems:
            raise Unfinished(problems)
        if crawled.error:
            raise crawled.error
        recording = RECORD_SECONDS if is_taking_up(plan) and _all_ready(inputs) else None
        return _soonest(crawled.look_again, observed.look_again, recording)

    def _inputs(self, observed: Observation, snapshot: Snapshot, problems: Iterable[Problem]) -> StatusInputs:
        stack = observed.stack
        other = self._custom.stack_with_host(stack.key, hosts_of(stack.spec))
        taken = f"stack {other} has the same host and is older" if other else None
        return StatusInputs(
            workloads=snapshot.workloads(),
            problems=tuple(problems),
            crawls=_parse_crawls(self._custom.crawls(stack.key)),
            notes=_notes(stack.spec, observed.facts, snapshot),
            routing=judge_routing(stack.spec, snapshot, taken),
            recovery=judge_recovery(stack, snapshot, self._clock()),
            operator=self._ownership.operator,
        )

    def _forget(self, key: StackKey) -> None:
        """Drop what is remembered of a stack that is gone; a pass under way at its end may have set it again."""
        self._unobserved.pop(key, None)
        self._troubled.pop(key, None)
        self._timed_out.discard(key)
        self._secrets.forget(key)
        metrics.forget_stack(key.namespace, key.name)

    def _awaits_observation(self, key: StackKey, inputs: StatusInputs) -> bool:
        """Return whether a controller has not looked at a change yet, so that its status is about the state before.

        An autoscaler's every step would show as a stack that is not Ready for some milliseconds. A controller that
        stays silent is reported after some seconds.
        """
        if all(workload.readiness.reason != UNOBSERVED for workload in inputs.workloads.values()):
            self._unobserved.pop(key, None)
            return False
        return time.monotonic() - self._unobserved.setdefault(key, time.monotonic()) < OBSERVE_GRACE_SECONDS

    def _is_transient(self, stack: Stack, inputs: StatusInputs) -> bool:
        """Return whether a Ready stack meets with trouble that the next try may end: not worth two statuses."""
        ready = stack.status.condition("Ready")
        is_ready = ready and ready.status == "True" and ready.observed_generation == stack.generation
        if not inputs.problems or not is_ready or not all(problem.transient for problem in inputs.problems):
            self._troubled.pop(stack.key, None)
            return False
        return time.monotonic() - self._troubled.setdefault(stack.key, time.monotonic()) < TRANSIENT_GRACE_SECONDS

    async def _still_there(self, stack: Stack) -> bool:
        """Return whether this incarnation of the stack exists: a missed deletion must not bring its objects back."""
        live = await self._fetch(stack.key)
        return bool(live and live["metadata"]["uid"] == stack.uid and "deletionTimestamp" not in live["metadata"])

    async def _fetch(self, key: StackKey) -> Manifest | None:
        """Ask for a stack, as events may be missed or late, and remember what is found."""
        try:
            live = await self._kube.get(STACK.path(key.namespace, key.name))
        except KubeError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._custom.forget_stack(key)
            return None
        self._custom.put_stack(live)
        return live

    async def _write(self, stack: Stack, status: StackStatus) -> Stack:
        """Write a status that differs, and return the stack with it."""
        ready = status.condition("Ready")
        record_status(stack, status)
        if status == stack.status:
            return stack
        key = ObjectKey(STACK_KIND, *astuple(stack.key))
        live = await write_status(self._kube, STACK, key, stack.uid, status.to_json())
        if live is None:
            self._custom.forget_stack(stack.key)
            return stack
        self._custom.put_stack(live)
        log.info("status_written", stack=str(stack.key), phase=status.phase, reason=ready.reason if ready else None)
        await self._recorder.conditions_changed(stack, status)
        return replace(stack, status=status)

    async def report_defect(self, key: StackKey, error: Exception) -> None:
        """Write into the status of a stack that a pass ended by a defect of ours: silence would look like health."""
        body = self._custom.stack(key)
        if body is not None:
            what = f"{type(error).__name__}: {error}"
            message = f"the operator failed on this stack: {what}; this is a defect, please report it with the log"
            await self._give_up(body, "InternalError", message)

    async def _give_up(self, body: Manifest, reason: str, message: str) -> None:
        stack = Stack.parse({**body, "spec": _MINIMAL_SPEC})
        await self._write(stack, unusable_status(stack, reason, message, self._now()))

    def _now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")


def _served(stack: Stack, facts: ClusterFacts) -> Revision | None:
    """Return the revision that served last; a record of an earlier operator holds images only."""
    record = stack.status.rollout
    if record is None or record.serving is None:
        return None
    try:
        spec = StackSpec.model_validate(record.served) if record.served else stack.spec
    except ValidationError:
        spec = stack.spec
    context = RenderContext(stack, record.serving, facts, pod_spec=spec)
    return Revision(record.serving, spec, templates_of(context))


def _parse_crawls(bodies: list[Manifest]) -> list[Crawl]:
    parsed = []
    for body in bodies:
        try:
            parsed.append(Crawl.parse(body))
        except ValidationError as error:
            log.warning("crawl_invalid", crawl=body["metadata"]["name"], error=str(error))
    return parsed


def _notes(spec: StackSpec, facts: ClusterFacts, snapshot: Snapshot) -> dict[str, str]:
    """Return by component what its condition says beside its pods."""
    notes = scaling_notes(snapshot)
    scaling = spec.imaging.autoscaling
    if scaling and scaling.queue_depth is not None and "keda.sh" not in facts.groups:
        notes[IMAGING] = "scales on CPU, since queueDepth needs KEDA and its CRDs are not installed"
    if refused := job_notes(snapshot, SWEEP):
        notes[IMAGING] = "; ".join(filter(None, (notes.get(IMAGING), refused)))
    return notes


def _all_ready(inputs: StatusInputs) -> bool:
    return all(workload.readiness.ready for workload in inputs.workloads.values())


def _soonest(*seconds: float | None) -> float | None:
    return min((second for second in seconds if second is not None), default=None)
