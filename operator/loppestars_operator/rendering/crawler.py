"""The crawler: its CronJob, and the Job of one Crawl made from the same template."""

from typing import Any, Final

from loppestars_core.contract.exit_codes import ExitCode
from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import API_VERSION, CRAWL_KIND, CRAWL_LABEL, component_labels
from loppestars_operator.rendering import environment
from loppestars_operator.rendering.context import CRAWLER, RenderContext
from loppestars_operator.rendering.finite import cron_job, finite_pod, job_spec
from loppestars_operator.rendering.pods import PodPlan, metrics_port, pod_template
from loppestars_operator.spec import Crawl

# A pod that was killed is tried again, and its run goes on where it was; what the crawler itself ended with is final.
RETRIES: Final = 2


def render_crawler(context: RenderContext) -> list[Manifest]:
    """Return the CronJob of scheduled crawls."""
    settings = context.spec.crawler
    return [
        cron_job(
            context,
            CRAWLER,
            schedule=settings.schedule,
            time_zone=settings.time_zone,
            suspend=settings.suspend,
            template=_template(context.for_pods(), ("loppestars-crawler", "crawl", "--trigger", "schedule")),
            active_deadline_seconds=settings.active_deadline_seconds,
            starting_deadline_seconds=settings.starting_deadline_seconds,
            # The Crawls are the record; a Job is kept until its Crawl has been written.
            history=(3, 3),
        )
    ]


def render_crawl_job(context: RenderContext, crawl: Crawl) -> Manifest:
    """Return the Job of one Crawl, owned by it."""
    labels = {**component_labels(context.name, CRAWLER), CRAWL_LABEL: crawl.name}
    template = _template(context.for_pods(), crawl_arguments(crawl))
    template["metadata"]["labels"] = {**template["metadata"]["labels"], CRAWL_LABEL: crawl.name}
    owner = {
        "apiVersion": API_VERSION,
        "kind": CRAWL_KIND,
        "name": crawl.name,
        "uid": crawl.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": crawl_job_name(crawl),
            "namespace": crawl.namespace,
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": job_spec(
            template,
            active_deadline_seconds=context.spec.crawler.active_deadline_seconds,
            backoff_limit=RETRIES,
            final_codes=[code for code in ExitCode if code],
        ),
    }


def crawl_job_name(crawl: Crawl) -> str:
    """Return the name of the Crawl's Job: a part of the UID keeps a re-created Crawl from meeting the old Job."""
    return f"{crawl.name[:50].rstrip('-.').replace('.', '-')}-{crawl.uid[:8]}"


def crawl_arguments(crawl: Crawl) -> tuple[str, ...]:
    """Return the command line of one Crawl."""
    spec = crawl.spec
    return (
        "loppestars-crawler",
        "crawl",
        "--run-id",
        crawl.run_id,
        "--trigger",
        "api" if spec.run_id else "cli",
        *(part for name in spec.sources or () for part in ("--source", name)),
        *(("--limit", str(spec.limit)) if spec.limit is not None else ()),
        *(("--accept-shrink",) if spec.accept_shrink else ()),
        *(("--dry-run",) if spec.dry_run else ()),
    )


def _template(context: RenderContext, command: tuple[str, ...]) -> dict[str, Any]:
    return pod_template(
        context,
        PodPlan(
            component=CRAWLER,
            image=context.images.crawler,
            command=command,
            settings=context.spec.crawler,
            env=environment.crawler(context),
            requests={"cpu": "100m", "memory": "192Mi"},
            limits={"memory": "512Mi"},
            account=CRAWLER,
            container={"ports": [metrics_port()]},
            pod=finite_pod(),
        ),
    )
