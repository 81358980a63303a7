"""What a pass knows before it decides, and the reasons to make none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from pydantic import ValidationError

from loppestars_operator import metrics
from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.kinds import Manifest
from loppestars_operator.kube.client import KubeClient
from loppestars_operator.kube.discovery import Discovery
from loppestars_operator.kube.events import Recorder
from loppestars_operator.naming import STACK_KIND, StackKey, component_name
from loppestars_operator.plan.canary import Trial, pods_of_revision
from loppestars_operator.plan.resolving import resolve_images
from loppestars_operator.plan.rollout import MigrationJob, Revision, wants_canary
from loppestars_operator.plan.snapshot import Snapshot, take_snapshot
from loppestars_operator.problems import Problem
from loppestars_operator.reconcile.crawls import CrawlReconciler
from loppestars_operator.reconcile.ownership import Ownership
from loppestars_operator.reconcile.podless import PodlessJobs
from loppestars_operator.reconcile.probing import Reader
from loppestars_operator.reconcile.secrets import SecretReader, Secrets
from loppestars_operator.reconcile.stacks import Stacks
from loppestars_operator.rendering import ClusterFacts, RenderContext, render_migration, templates_of, with_hash
from loppestars_operator.rendering.context import API
from loppestars_operator.spec import Crawl, Stack, StackSpec
from loppestars_operator.spec.cloud_native_pg import CLUSTER
from loppestars_operator.spec.policy import Policy, violations

log = structlog.get_logger(__name__)


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
    trial: Trial


class Observer:
    """Looks at a stack and at everything that belongs to it."""

    def __init__(  # noqa: PLR0913, PLR0917 - what is looked at, put together in one place
        self,
        kube: KubeClient,
        owned: OwnedCache,
        custom: CustomResourceCache,
        discovery: Discovery,
        recorder: Recorder,
        secrets: SecretReader,
        stacks: Stacks,
        crawls: CrawlReconciler,
        *,
        policy: Policy | None,
        operator: str | None,
        cluster: ClusterFacts,
        clock: Callable[[], datetime],
        reader: Reader,
    ) -> None:
        self._owned = owned
        self._reader = reader
        self._custom = custom
        self._discovery = discovery
        self._recorder = recorder
        self._secrets = secrets
        self._stacks = stacks
        self._crawls = crawls
        self._policy = policy
        self._facts = replace(cluster, operator_namespace=(operator or "").partition("/")[0])
        self._ownership = Ownership(kube, operator)
        self._podless = PodlessJobs(kube)
        self._clock = clock

    async def observe(self, key: StackKey) -> Observation | None:
        """Return what there is to judge, or None where no pass can be made; the status says why."""
        body, crawls = self._custom.stack(key), parse_crawls(self._custom.crawls(key))
        if body is None and crawls:
            # At the start Crawls may be seen before their stack is.
            body = await self._stacks.fetch(key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            await self._crawls.report_orphans(crawls, f"a {STACK_KIND} named {key.name} in namespace {key.namespace}")
            if body is None:
                self._secrets.forget(key)
                metrics.forget_stack(key.namespace, key.name)
            return None
        try:
            stack = Stack.parse(body)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            message = f"spec.{field}: {first['msg']}; upgrade the CRDs (chart loppestars-crds) or correct the field"
            await self._stacks.give_up(body, "InvalidSpec", message)
            return None
        if conflict := await self._ownership.conflict(stack, self._clock()):
            log.warning("stack_of_another_operator", stack=str(key), other=stack.status.operator)
            await self._recorder.say(stack, "Warning", "OtherOperator", conflict)
            return None
        if refusals := violations(stack, self._policy) if self._policy else []:
            await self._stacks.give_up(body, "NotAllowed", "; ".join(refusals))
            await self._crawls.report_orphans(crawls, "the stack to be allowed")
            return None
        secrets = await self._secrets.read(stack)
        if secrets.refused:
            await self._stacks.give_up(body, secrets.refused.reason, secrets.refused.message)
            await self._crawls.report_orphans(crawls, "the stack's Secrets")
            raise Unfinished([secrets.refused])
        return await self._look_at(stack, crawls, secrets)

    async def _look_at(self, stack: Stack, crawls: Sequence[Crawl], secrets: Secrets) -> Observation:
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
        made = stack.spec.database.cloud_native_pg is not None
        waits = snapshot.awaited_database(component_name(stack.key.name, CLUSTER)) if made else ""
        job = with_hash(render_migration(RenderContext(stack, images, facts)))
        desired = Revision(images, stack.spec, templates_of(RenderContext(stack, images, facts)))
        served, pods = _served(stack, facts), []
        if wants_canary(desired, served):
            pods = pods_of_revision(snapshot.pods_of_component(API), desired.templates[API])
        return Observation(
            stack=stack,
            facts=facts,
            snapshot=snapshot,
            crawls=crawls,
            secrets=secrets,
            desired=desired,
            served=served,
            migration=replace(snapshot.migration(job, stack.uid), waits=waits),
            look_again=soonest(look_again, secrets.look_again),
            trial=Trial(pods, await self._reader.read(pods[:1]) if pods else {}, self._clock()),
        )

    def snapshot(self, observed: Observation) -> Snapshot:
        """Return what is known of the objects by now, after the pass's own writes."""
        return take_snapshot(self._owned.of(observed.stack.key), observed.snapshot.refusals)


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


def parse_crawls(bodies: list[Manifest]) -> list[Crawl]:
    """Return the Crawls that this release can read."""
    parsed = []
    for body in bodies:
        try:
            parsed.append(Crawl.parse(body))
        except ValidationError as error:
            log.warning("crawl_invalid", crawl=body["metadata"]["name"], error=str(error))
    return parsed


def soonest(*seconds: float | None) -> float | None:
    """Return the least of what is set."""
    return min((second for second in seconds if second is not None), default=None)
