"""Carries out what is decided about Crawls: Jobs started and ended, scheduled ones adopted, states written."""

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import structlog

from loppestars_operator import metrics
from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.kinds import CRAWL, Manifest, ObjectKey, key_of, kind_of
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.naming import API_VERSION, CRAWL_KIND, CRAWL_LABEL, STACK_KIND, TRIGGER_LABEL, StackKey
from loppestars_operator.plan.crawls import CrawlPlan, CrawlRules, orphaned, plan_crawls, waiting
from loppestars_operator.plan.rollout import Plan
from loppestars_operator.plan.snapshot import Snapshot
from loppestars_operator.problems import Problem
from loppestars_operator.reconcile.apply import Applier
from loppestars_operator.reconcile.status_writer import write_status
from loppestars_operator.rendering import ClusterFacts, RenderContext, render_crawl_job
from loppestars_operator.spec import Crawl, CrawlStatus, Stack

log = structlog.get_logger(__name__)

# When a Job that was refused is tried again: what mends itself, and what waits for somebody.
SOON: Final = 5.0
LATER: Final = 60.0


class Crawling:
    """The writing side of Crawls."""

    def __init__(
        self, kube: KubeClient, applier: Applier, resources: CustomResourceCache, clock: Callable[[], datetime]
    ) -> None:
        self._kube = kube
        self._applier = applier
        self._resources = resources
        self._clock = clock

    async def carry_out(
        self, stack: Stack, plan: Plan, facts: ClusterFacts, crawls: Sequence[Crawl], snapshot: Snapshot
    ) -> float | None:
        """Do what is due; return the seconds after which to look again, if time alone decides."""
        rules = CrawlRules(
            blocked=_blocked(stack, plan),
            successful_history=stack.spec.crawler.successful_history_limit,
            failed_history=stack.spec.crawler.failed_history_limit,
        )
        due = plan_crawls(crawls, snapshot.crawl_jobs(), snapshot.crawl_pods(), rules, self._clock())
        await self._adopt(stack, due)
        for crawl in crawls:
            if stack.uid not in crawl.owners and not crawl.finished and not crawl.deleting:
                await self._own(stack, crawl)
        refused = await self._start(stack, plan, facts, due.start, snapshot) if due.start else None
        for job in due.stop:
            await self._applier.delete(snapshot.objects[key_of(job)])
        for crawl, status in due.report:
            told = (
                waiting(crawl, f"its Job is refused: {refused.message}") if refused and crawl is due.start else status
            )
            if told != crawl.status:
                await self._report(crawl, told)
        for crawl in due.forget:
            await self._kube.delete(CRAWL.path(crawl.namespace, crawl.name), uid=crawl.uid)
            self._resources.drop_crawl(crawl.stack_key, crawl.name)
        if refused is None:
            return due.look_again
        return SOON if refused.transient else LATER

    async def report_orphans(self, key: StackKey, crawls: Sequence[Crawl]) -> None:
        """Say of Crawls whose stack is not there that they wait for it."""
        message = f"waits for a {STACK_KIND} named {key.name} in namespace {key.namespace}"
        for crawl in crawls:
            if not crawl.finished and not crawl.deleting:
                status = orphaned(crawl, message, self._clock())
                if status != crawl.status:
                    await self._report(crawl, status)

    async def _start(
        self, stack: Stack, plan: Plan, facts: ClusterFacts, crawl: Crawl, snapshot: Snapshot
    ) -> Problem | None:
        """Make the Job of a Crawl that is really there; return why it could not be made."""
        if plan.images is None or not await self._is_there(crawl):
            return None
        job = render_crawl_job(RenderContext(stack, plan.images, facts), crawl)
        changes = await self._applier.create_once(job, snapshot.objects)
        return changes.problems[0] if changes.problems else None

    async def _is_there(self, crawl: Crawl) -> bool:
        """Whether this incarnation exists and is not being deleted; kopf does not tell of what it missed."""
        try:
            live = await self._kube.get(CRAWL.path(crawl.namespace, crawl.name))
        except KubeError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._resources.drop_crawl(crawl.stack_key, crawl.name)
            return False
        self._resources.put_crawl(live)
        return bool(live["metadata"]["uid"] == crawl.uid and "deletionTimestamp" not in live["metadata"])

    async def _adopt(self, stack: Stack, due: CrawlPlan) -> None:
        """Make a Crawl for each Job of the CronJob, then mark the Job: a Crawl that is deleted stays deleted."""
        for job in due.adopt:
            name = job["metadata"]["name"]
            crawl = _adopted(stack, name)
            live, _ = await self._kube.apply(CRAWL.path(stack.key.namespace, name), crawl)
            self._resources.put_crawl(live)
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
        self._resources.put_crawl(live)

    async def _report(self, crawl: Crawl, status: CrawlStatus) -> None:
        key = ObjectKey(CRAWL_KIND, crawl.namespace, crawl.name)
        live = await write_status(self._kube, CRAWL, key, crawl.uid, status.to_json())
        if live is None:
            self._resources.drop_crawl(crawl.stack_key, crawl.name)
            return
        self._resources.put_crawl(live)
        log.info("crawl_state_written", crawl=f"{crawl.namespace}/{crawl.name}", state=status.state)
        _count(crawl, status)


def _blocked(stack: Stack, plan: Plan) -> str | None:
    if stack.spec.paused:
        return "the stack is paused"
    if plan.images is None:
        return "waits for the migration of the database"
    return None


def _adopted(stack: Stack, name: str) -> Manifest:
    return {
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


def _owner(stack: Stack) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": STACK_KIND, "name": stack.key.name, "uid": stack.uid}


def _count(crawl: Crawl, status: CrawlStatus) -> None:
    if crawl.finished or status.state in {None, "Pending", "Running"}:
        return
    where = (crawl.namespace, crawl.spec.stack_ref.name)
    metrics.CRAWLS.labels(*where, status.state).inc()
    if status.counts:
        for name, number in status.counts.to_json().items():
            metrics.CRAWL_ITEMS.labels(*where, name).set(number)
