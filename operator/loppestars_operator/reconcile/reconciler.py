"""One level-based pass over a stack: observe, plan, render, apply, report. It needs no reason to be run."""

import time
from collections.abc import Callable, Iterable
from dataclasses import astuple, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.kinds import ObjectKey, key_of
from loppestars_operator.kube.client import KubeClient
from loppestars_operator.kube.discovery import Discovery
from loppestars_operator.kube.events import Recorder
from loppestars_operator.naming import CRAWL_KIND, StackKey
from loppestars_operator.plan.canary import LOOK_SECONDS
from loppestars_operator.plan.hibernation import awake_counts, remaining
from loppestars_operator.plan.readiness import UNOBSERVED
from loppestars_operator.plan.recovery import judge_recovery
from loppestars_operator.plan.rollout import Plan, plan_rollout
from loppestars_operator.plan.routing import hosts_of, job_notes, judge_routing, scaling_notes
from loppestars_operator.plan.snapshot import Snapshot
from loppestars_operator.plan.status import summarise
from loppestars_operator.plan.verdict import StatusInputs, is_taking_up
from loppestars_operator.problems import Problem
from loppestars_operator.reconcile.apply import Applier, Changes
from loppestars_operator.reconcile.crawls import CrawlOutcome, CrawlReconciler
from loppestars_operator.reconcile.observing import Observation, Observer, Unfinished, parse_crawls, soonest
from loppestars_operator.reconcile.probing import MetricsReader, Reader
from loppestars_operator.reconcile.refusals import explain
from loppestars_operator.reconcile.secrets import SecretReader
from loppestars_operator.reconcile.stacks import Stacks
from loppestars_operator.reconcile.stages import apply_stages
from loppestars_operator.rendering import ClusterFacts, RenderContext, render
from loppestars_operator.rendering.context import CRAWLER, IMAGING
from loppestars_operator.rendering.imaging import SWEEP
from loppestars_operator.spec import Stack
from loppestars_operator.spec.policy import Policy

log = structlog.get_logger(__name__)

OBSERVE_GRACE_SECONDS: Final = 5.0
TRANSIENT_GRACE_SECONDS: Final = 3.0
# A revision that became Ready during a pass is recorded by the next one, which no event may ask for.
RECORD_SECONDS: Final = 1.0


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
        cluster: ClusterFacts | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        reader: Reader | None = None,
    ) -> None:
        self._custom = custom
        self._clock = clock
        self._operator = operator
        self._applier = Applier(kube, owned)
        self._stacks = Stacks(kube, custom, recorder, clock)
        self._crawls = CrawlReconciler(kube, self._applier, custom, clock)
        self._observer = Observer(
            *(kube, owned, custom, discovery, recorder, secrets, self._stacks, self._crawls),
            policy=policy,
            operator=operator,
            cluster=cluster or ClusterFacts(),
            clock=clock,
            reader=reader or MetricsReader(),
        )
        self._unobserved: dict[StackKey, float] = {}
        self._troubled: dict[StackKey, float] = {}
        self._timed_out: set[StackKey] = set()

    async def reconcile(self, key: StackKey) -> float | None:
        """Make one pass; return the seconds after which to look again, if time alone may change the answer.

        Raises:
            KubeError: the API server could not be asked, or a status could not be written.
            Unfinished: something could not be applied; the status says what, and another pass is due.
        """
        observed = await self._observer.observe(key)
        if observed is None:
            if self._custom.stack(key) is None:
                # A pass under way at its end may have set it again.
                self._unobserved.pop(key, None)
                self._troubled.pop(key, None)
                self._timed_out.discard(key)
            return None
        plan = plan_rollout(
            *(observed.stack, observed.desired, observed.served, observed.migration, observed.snapshot.workloads()),
            trial=observed.trial,
        )
        if plan.rolled_back and plan.rollout != observed.stack.status.rollout:
            # Written down before it is acted on, or a pass after a crash might decide otherwise.
            inputs = self._inputs(observed, observed.snapshot, ())
            status = summarise(observed.stack, plan, inputs, self._stacks.now)
            observed = replace(observed, stack=await self._stacks.write(observed.stack, status))
        changes = await self._apply(observed, plan)
        crawled = await self._crawls.carry_out(
            observed.stack, plan, observed.facts, observed.crawls, self._observer.snapshot(observed)
        )
        return await self._report(observed, plan, changes, crawled)

    async def _apply(self, observed: Observation, plan: Plan) -> Changes:
        """Render and apply what the plan allows; what the gate withholds is neither applied nor pruned."""
        stack, snapshot = observed.stack, observed.snapshot
        if stack.spec.paused:
            return Changes({})
        shown = plan.revision or plan.desired
        awake = awake_counts(snapshot) if stack.spec.hibernated else {}
        context = RenderContext(stack, shown.images, observed.facts, pod_spec=shown.spec, awake=awake)
        if plan.canary:
            trial = replace(context, images=plan.desired.images, pod_spec=plan.desired.spec, held=True)
            context = replace(context, trial=trial)
        manifests = render(context)
        if any(key_of(manifest) not in snapshot.objects for manifest in manifests):
            # A missed deletion must not bring its objects back.
            live = await self._stacks.fetch(stack.key)
            if not live or live["metadata"]["uid"] != stack.uid or "deletionTimestamp" in live["metadata"]:
                return Changes({})
        serial = any(key.namespace == stack.key.namespace for key in self._timed_out)
        changes = await apply_stages(
            self._applier, stack, plan, manifests, observed.migration.manifest, snapshot, observed.facts, serial=serial
        )
        (self._timed_out.add if changes.timed_out else self._timed_out.discard)(stack.key)
        return changes

    async def _report(self, observed: Observation, plan: Plan, changes: Changes, crawled: CrawlOutcome) -> float | None:
        """Write the status, unless it may be another one within seconds; return when to look again."""
        stack, snapshot = observed.stack, self._observer.snapshot(observed)
        problems = [*observed.secrets.problems, *changes.problems]
        if crawled.error:
            trouble = explain(crawled.error, ObjectKey(CRAWL_KIND, *astuple(stack.key)), CRAWLER)
            problems += [] if trouble.transient else [trouble]
        inputs = self._inputs(observed, snapshot, problems)
        if self._awaits_observation(stack.key, inputs):
            return OBSERVE_GRACE_SECONDS
        if self._is_transient(stack, inputs):
            raise Unfinished(problems)
        await self._stacks.write(stack, summarise(stack, plan, inputs, self._stacks.now))
        if problems:
            raise Unfinished(problems)
        if crawled.error:
            raise crawled.error
        all_ready = all(workload.readiness.ready for workload in inputs.workloads.values())
        recording = RECORD_SECONDS if is_taking_up(plan) and all_ready else None
        return soonest(crawled.look_again, observed.look_again, recording, LOOK_SECONDS if plan.canary else None)

    def _inputs(self, observed: Observation, snapshot: Snapshot, problems: Iterable[Problem]) -> StatusInputs:
        stack = observed.stack
        other = self._custom.stack_with_host(stack.key, hosts_of(stack.spec))
        notes, scaling = scaling_notes(snapshot), stack.spec.imaging.autoscaling
        if scaling and scaling.queue_depth is not None and "keda.sh" not in observed.facts.groups:
            notes[IMAGING] = "scales on CPU, since queueDepth needs KEDA and its CRDs are not installed"
        if refused := job_notes(snapshot, SWEEP):
            notes[IMAGING] = "; ".join(filter(None, (notes.get(IMAGING), refused)))
        taken = f"stack {other} has the same host and is older" if other else None
        return StatusInputs(
            workloads=snapshot.workloads(),
            problems=tuple(problems),
            crawls=parse_crawls(self._custom.crawls(stack.key)),
            notes=notes,
            routing=judge_routing(stack.spec, snapshot, taken),
            recovery=judge_recovery(stack, snapshot, self._clock()),
            operator=self._operator,
            remaining=remaining(snapshot) if stack.spec.hibernated else (),
        )

    async def report_defect(self, key: StackKey, error: Exception) -> None:
        """Write into the status of a stack that a pass ended by a defect of ours."""
        await self._stacks.report_defect(key, error)

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
