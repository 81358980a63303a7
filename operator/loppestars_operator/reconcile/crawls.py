"""Carries out what is decided about Crawls: Jobs started and ended, scheduled ones adopted, states written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import structlog

from loppestars_operator import metrics
from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.kinds import CRAWL, Manifest, ObjectKey, key_of, kind_of
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.naming import API_VERSION, CRAWL_KIND, CRAWL_LABEL, STACK_KIND, TRIGGER_LABEL
from loppestars_operator.plan.crawls import CrawlObjects, CrawlPlan, CrawlRules, orphaned, plan_crawls, waiting
from loppestars_operator.plan.rollout import Plan
from loppestars_operator.plan.snapshot import Snapshot
from loppestars_operator.reconcile.apply import Applier
from loppestars_operator.reconcile.status_writer import write_status
from loppestars_operator.rendering import ClusterFacts, RenderContext, render_crawl_job
from loppestars_operator.rendering.context import CRAWLER
from loppestars_operator.spec import Crawl, CrawlStatus, Stack

log = structlog.get_logger(__name__)

# When a Job that was refused is tried again: what mends itself, and what waits for somebody.
SOON_SECONDS: Final = 5.0
LATER_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class CrawlOutcome:
    """When to look again, if time alone decides; `error` is what ended the work early."""

    look_again: float | None = None
    error: KubeError | None = None


class CrawlReconciler:
    """The writing side of Crawls."""

    def __init__(
        self, kube: KubeClient, applier: Applier, custom: CustomResourceCache, clock: Callable[[], datetime]
    ) -> None:
        self._kube = kube
        self._applier = applier
        self._custom = custom
        self._clock = clock

    async def carry_out(
        self, stack: Stack, plan: Plan, facts: ClusterFacts, crawls: Sequence[Crawl], snapshot: Snapshot
    ) -> CrawlOutcome:
        """Do what is due; an error is returned, as it must not keep the stack's own status from being written."""
        reasons = {
            "the stack is paused": stack.spec.paused,
            "the stack is hibernated": stack.spec.hibernated,
            "waits for the migration of the database": plan.revision is None,
        }
        rules = CrawlRules(
            blocked=next((reason for reason, holds in reasons.items() if holds), None),
            successful_history=stack.spec.crawler.successful_history_limit,
            failed_history=stack.spec.crawler.failed_history_limit,
        )
        objects = CrawlObjects(snapshot.crawl_jobs(), snapshot.pods_of_component(CRAWLER), snapshot.refusals)
        due = plan_crawls(crawls, objects, rules, self._clock())
        try:
            return CrawlOutcome(await self._execute(due, stack, plan, facts, crawls, snapshot))
        except KubeError as error:
            return CrawlOutcome(error=error)

    async def _execute(  # noqa: PLR0913, PLR0917 - what a pass knows
        self,
        due: CrawlPlan,
        stack: Stack,
        plan: Plan,
        facts: ClusterFacts,
        crawls: Sequence[Crawl],
        snapshot: Snapshot,
    ) -> float | None:
        await self._adopt(stack, due)
        for crawl in crawls:
            if stack.uid not in crawl.owners and not crawl.finished and not crawl.deleting:
                await self._own(stack, crawl)
        refused = None
        if due.start and plan.revision and await self._is_there(due.start):
            context = RenderContext(stack, plan.revision.images, facts, pod_spec=plan.revision.spec)
            changes = await self._applier.create_once(render_crawl_job(context, due.start), snapshot.objects)
            refused = next(iter(changes.problems), None)
        for job in due.stop:
            await self._applier.delete(snapshot.objects[key_of(job)])
        for crawl, status in due.report:
            if refused and crawl is due.start:
                status = waiting(crawl, f"its Job is refused: {refused.message}")  # noqa: PLW2901 - the better answer
            if status != crawl.status:
                await self._report(crawl, status)
        for crawl in due.forget:
            await self._kube.delete(CRAWL.path(crawl.namespace, crawl.name), uid=crawl.uid)
            self._custom.drop_crawl(crawl.stack_key, crawl.name)
        if refused is None:
            return due.look_again
        return SOON_SECONDS if refused.transient else LATER_SECONDS

    async def report_orphans(self, crawls: Sequence[Crawl], missing: str) -> None:
        """Report of Crawls that their stack cannot run them yet, and what is missing."""
        for crawl in crawls:
            if not crawl.finished and not crawl.deleting:
                status = orphaned(crawl, f"waits for {missing}", self._clock())
                if status != crawl.status:
                    await self._report(crawl, status)

    async def _is_there(self, crawl: Crawl) -> bool:
        """Return whether this incarnation exists and is not being deleted; kopf does not tell of what it missed."""
        try:
            live = await self._kube.get(CRAWL.path(crawl.namespace, crawl.name))
        except KubeError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._custom.drop_crawl(crawl.stack_key, crawl.name)
            return False
        self._custom.put_crawl(live)
        return bool(live["metadata"]["uid"] == crawl.uid and "deletionTimestamp" not in live["metadata"])

    async def _adopt(self, stack: Stack, due: CrawlPlan) -> None:
        """Make a Crawl for each Job of the CronJob, then mark the Job: a Crawl that is deleted stays deleted."""
        for job in due.adopt:
            name = job["metadata"]["name"]
            crawl: Manifest = {
                "apiVersion": API_VERSION,
                "kind": CRAWL_KIND,
                "metadata": {
                    "name": name,
                    "namespace": stack.key.namespace,
                    "labels": {TRIGGER_LABEL: "Schedule"},
                    "ownerReferences": [_owner(stack)],
                },
                "spec": {"stackRef": {"name": stack.key.name}},
            }
            live, _ = await self._kube.apply(CRAWL.path(stack.key.namespace, name), crawl)
            self._custom.put_crawl(live)
            metrics.WRITES.labels(CRAWL_KIND, "created").inc()
            mark: Manifest = {
                "apiVersion": job["apiVersion"],
                "kind": job["kind"],
                "metadata": {"name": name, "namespace": stack.key.namespace, "labels": {CRAWL_LABEL: name}},
            }
            await self._kube.apply(kind_of(job).path(stack.key.namespace, name), mark)

    async def _own(self, stack: Stack, crawl: Crawl) -> None:
        """Let a Crawl go when its stack goes."""
        body: Manifest = {
            "apiVersion": API_VERSION,
            "kind": CRAWL_KIND,
            "metadata": {
                "name": crawl.name,
                "namespace": crawl.namespace,
                "uid": crawl.uid,
                "ownerReferences": [_owner(stack)],
            },
        }
        try:
            live, _ = await self._kube.apply(CRAWL.path(crawl.namespace, crawl.name), body)
        except KubeError:
            if await self._is_there(crawl):
                raise
            return
        self._custom.put_crawl(live)

    async def _report(self, crawl: Crawl, status: CrawlStatus) -> None:
        key = ObjectKey(CRAWL_KIND, crawl.namespace, crawl.name)
        live = await write_status(self._kube, CRAWL, key, crawl.uid, status.to_json())
        if live is None:
            self._custom.drop_crawl(crawl.stack_key, crawl.name)
            return
        self._custom.put_crawl(live)
        log.info("crawl_state_written", crawl=f"{crawl.namespace}/{crawl.name}", state=status.state)
        count_crawl(crawl, status)


def _owner(stack: Stack) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": STACK_KIND, "name": stack.key.name, "uid": stack.uid}


def count_crawl(crawl: Crawl, status: CrawlStatus) -> None:
    if crawl.finished or status.state in {None, "Pending", "Running"}:
        return
    where = (crawl.namespace, crawl.spec.stack_ref.name)
    metrics.CRAWLS.labels(*where, status.state).inc()
    if status.counts:
        for name, number in status.counts.to_json().items():
            metrics.CRAWL_ITEMS.labels(*where, name).set(number)
