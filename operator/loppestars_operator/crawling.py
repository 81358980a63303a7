"""Carries out what is decided about Crawls: Jobs started and ended, scheduled ones adopted, states written."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import structlog

from loppestars_operator import metrics
from loppestars_operator.applying import Applier
from loppestars_operator.crawls import CrawlPlan, CrawlRules, plan_crawls
from loppestars_operator.kinds import CRAWL, Manifest, key_of, kind_of
from loppestars_operator.kube import Kube, KubeError
from loppestars_operator.naming import API_VERSION, CRAWL_KIND, CRAWL_LABEL, STACK_KIND, TRIGGER_LABEL, StackKey
from loppestars_operator.observing import Sight
from loppestars_operator.rendering import Blueprint, Facts, render_crawl_job
from loppestars_operator.resources import Resources
from loppestars_operator.rollout import Plan
from loppestars_operator.spec import Crawl, CrawlStatus, Stack

log: Any = structlog.get_logger(__name__)

NOT_FOUND: Final = 404


class Crawling:
    """The writing side of Crawls."""

    def __init__(self, kube: Kube, applier: Applier, resources: Resources, clock: Callable[[], datetime]) -> None:
        self._kube = kube
        self._applier = applier
        self._resources = resources
        self._clock = clock

    async def carry_out(
        self, stack: Stack, plan: Plan, facts: Facts, crawls: Sequence[Crawl], sight: Sight
    ) -> float | None:
        """Do what is due; return the seconds after which to look again, if time alone decides."""
        rules = CrawlRules(
            blocked=_blocked(stack, plan),
            successful_history=stack.spec.crawler.successful_history_limit,
            failed_history=stack.spec.crawler.failed_history_limit,
        )
        _record_success(stack, crawls)
        due = plan_crawls(crawls, sight.crawl_jobs(), sight.crawl_pods(), rules, self._clock())
        await self._adopt(stack, due)
        for crawl in crawls:
            if stack.uid not in crawl.owners and not crawl.finished and not crawl.deleting:
                await self._own(stack, crawl)
        if due.start and plan.images:
            job = render_crawl_job(Blueprint(stack, plan.images, facts), due.start)
            changes = await self._applier.create_once(job, sight.objects)
            if changes.problems:
                raise KubeError(500, changes.problems[0].reason, changes.problems[0].message)
        for job in due.stop:
            await self._applier.delete(sight.objects[key_of(job)])
        for crawl, status in due.report:
            await self._report(crawl, status)
        for crawl in due.forget:
            await self._kube.delete(CRAWL.path(crawl.namespace, crawl.name), uid=crawl.uid)
        return due.look_again

    async def report_orphans(self, key: StackKey, crawls: Sequence[Crawl]) -> None:
        """Say of Crawls whose stack is not there that they wait for it."""
        message = f"waits for a {STACK_KIND} named {key.name} in namespace {key.namespace}"
        for crawl in crawls:
            status = CrawlStatus(state="Pending", run_id=crawl.run_id, message=message)
            if not crawl.finished and not crawl.deleting and crawl.status != status:
                await self._report(crawl, status)

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
        live, _ = await self._kube.apply(
            CRAWL.path(crawl.namespace, crawl.name),
            {
                "apiVersion": API_VERSION,
                "kind": CRAWL_KIND,
                "metadata": {
                    "name": crawl.name,
                    "namespace": crawl.namespace,
                    "uid": crawl.uid,
                    "ownerReferences": [_owner(stack)],
                },
            },
        )
        self._resources.put_crawl(live)

    async def _report(self, crawl: Crawl, status: CrawlStatus) -> None:
        body: Manifest = {
            "apiVersion": API_VERSION,
            "kind": CRAWL_KIND,
            "metadata": {"name": crawl.name, "namespace": crawl.namespace},
            "status": status.to_json(),
        }
        try:
            live, _ = await self._kube.apply(CRAWL.path(crawl.namespace, crawl.name) + "/status", body)
        except KubeError as error:
            if error.status != NOT_FOUND:
                raise
            return
        self._resources.put_crawl(live)
        metrics.WRITES.labels(CRAWL_KIND, "status").inc()
        log.info("crawl", crawl=f"{crawl.namespace}/{crawl.name}", state=status.state)
        _count(crawl, status)


def _blocked(stack: Stack, plan: Plan) -> str | None:
    if stack.spec.paused:
        return "the stack is paused"
    if plan.images is None:
        return "waits for the first migration of the database"
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


def _record_success(stack: Stack, crawls: Sequence[Crawl]) -> None:
    """Set the gauge that an alert watches; a stack that never crawled counts from its creation."""
    ends = [one.status.finished_at for one in crawls if one.status.state == "Succeeded" and one.status.finished_at]
    last = max(ends, default=stack.created_at)
    if last:
        seconds = datetime.fromisoformat(last).timestamp()
        metrics.CRAWL_LAST_SUCCESS.labels(stack.key.namespace, stack.key.name).set(seconds)


def _count(crawl: Crawl, status: CrawlStatus) -> None:
    if crawl.finished or status.state in {None, "Pending", "Running"}:
        return
    where = (crawl.namespace, crawl.spec.stack_ref.name)
    metrics.CRAWLS.labels(*where, status.state).inc()
    if status.counts:
        for name, number in status.counts.to_json().items():
            metrics.CRAWL_ITEMS.labels(*where, name).set(number)
