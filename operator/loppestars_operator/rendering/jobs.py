"""The second worker: periodic and outgoing work that is neither a photo's nor a crawl's."""

from typing import Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.rendering import environment
from loppestars_operator.rendering.context import JOBS, RenderContext
from loppestars_operator.rendering.deployments import deployment
from loppestars_operator.rendering.pods import PodPlan, metrics_port, probe, serving_pod

# A task in hand is finished; one that is not in time is taken up again by another process.
GRACE_SECONDS: Final = 30


def render_jobs(context: RenderContext) -> list[Manifest]:
    """Return the worker's Deployment: the API's image with another command."""
    return [deployment(context, JOBS, context.spec.jobs, _pod(context.for_pods()))]


def _pod(context: RenderContext) -> PodPlan:
    settings = context.spec.jobs
    return PodPlan(
        component=JOBS,
        image=settings.image or context.images.api,
        command=("loppestars-jobs", "work"),
        settings=settings,
        env=environment.jobs(context),
        requests={"cpu": "50m", "memory": "128Mi"},
        limits={"memory": "384Mi"},
        account=JOBS,
        container={
            "ports": [metrics_port()],
            "startupProbe": probe("/health", "metrics", period_seconds=2, failure_threshold=60, timeout_seconds=2),
            "livenessProbe": probe("/health", "metrics", period_seconds=10, failure_threshold=3, timeout_seconds=5),
            "readinessProbe": probe("/ready", "metrics", period_seconds=5, failure_threshold=2, timeout_seconds=4),
        },
        pod=serving_pod(context, JOBS, grace_seconds=GRACE_SECONDS),
    )
