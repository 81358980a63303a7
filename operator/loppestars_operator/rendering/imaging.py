"""Imaging: the workers' Deployment and the CronJob that sweeps originals."""

from typing import Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.rendering import environment
from loppestars_operator.rendering.context import IMAGING, RenderContext
from loppestars_operator.rendering.deployments import deployment
from loppestars_operator.rendering.finite import cron_job, finite_pod
from loppestars_operator.rendering.pods import PodPlan, metrics_port, pod_template, probe, serving_pod
from loppestars_operator.spec.components import Component, Engine
from loppestars_operator.spec.pods import JobOverrides

SWEEP: Final = "sweep"
# A photo in hand is finished; one that is not in time is taken up again by another worker.
GRACE_SECONDS: Final = 45
SWEEP_DEADLINE_SECONDS: Final = 900
# An engine process ends itself at ENGINE_MEMORY_MIB; the worker next to it takes some 150 MiB.
ENGINE_MIB: Final = 1024
WORKER_MIB: Final = 512


def render_imaging(context: RenderContext) -> list[Manifest]:
    """Return the objects of imaging."""
    worker = deployment(context, IMAGING, context.spec.imaging, _worker(context.for_pods()))
    return [worker, _sweep(context, context.for_pods())]


def _worker(context: RenderContext) -> PodPlan:
    engine = context.spec.imaging.engine or Engine()
    memory = (engine.memory_mib or ENGINE_MIB) * (engine.processes or 1) + WORKER_MIB
    return PodPlan(
        component=IMAGING,
        image=context.images.imaging,
        command=("loppestars-imaging", "work"),
        settings=context.spec.imaging,
        env=environment.imaging(context),
        requests={"cpu": "250m", "memory": "384Mi"},
        limits={"memory": f"{memory}Mi"},
        account=IMAGING,
        scratch="1Gi",
        container={
            "ports": [metrics_port()],
            "startupProbe": probe("/health", "metrics", period_seconds=2, failure_threshold=60, timeout_seconds=2),
            "livenessProbe": probe("/health", "metrics", period_seconds=10, failure_threshold=3, timeout_seconds=5),
            "readinessProbe": probe("/ready", "metrics", period_seconds=5, failure_threshold=2, timeout_seconds=4),
        },
        pod=serving_pod(context, IMAGING, grace_seconds=GRACE_SECONDS),
    )


def _sweep(context: RenderContext, pods: RenderContext) -> Manifest:
    originals = pods.spec.storage.originals
    own = originals.sweep or JobOverrides()
    plan = PodPlan(
        component=SWEEP,
        image=pods.images.imaging,
        command=("loppestars-imaging", "sweep"),
        # The workers' resources are for photos, of which the sweep decodes none.
        settings=Component(pod=pods.spec.imaging.pod, resources=own.resources, pod_template=own.pod_template),
        env=[
            *environment.imaging(pods),
            *environment.value("ORIGINALS_RETENTION", originals.retention),
        ],
        requests={"cpu": "50m", "memory": "128Mi"},
        limits={"memory": "512Mi"},
        account=IMAGING,
        container={"ports": [metrics_port()]},
        pod=finite_pod(),
    )
    return cron_job(
        context,
        SWEEP,
        schedule=context.spec.storage.originals.sweep_schedule,
        time_zone="Etc/UTC",
        template=pod_template(pods, plan),
        active_deadline_seconds=SWEEP_DEADLINE_SECONDS,
        starting_deadline_seconds=600,
        history=(1, 1),
    )
