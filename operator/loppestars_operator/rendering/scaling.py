"""Autoscalers and disruption budgets."""

from typing import Any, Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import selector_labels
from loppestars_operator.rendering.context import API, IMAGING, RenderContext, without_none
from loppestars_operator.spec.scaling import Autoscaling, ImagingAutoscaling

KEDA_GROUP: Final = "keda.sh"
# Out at once, at most double every 30 s; in by one pod a minute, and only after five quiet minutes: a photo rush
# comes in waves, and a pod that starts costs seconds that a visitor waits for.
SLOW_SCALE_IN: dict[str, Any] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 30},
            {"type": "Pods", "value": 2, "periodSeconds": 30},
        ],
        "selectPolicy": "Max",
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        "selectPolicy": "Max",
    },
}
# The photos that wait for a worker or are being worked on.
QUEUE_DEPTH_QUERY: Final = (
    "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = 'photos' AND status IN ('todo', 'doing')"
)


def render_scaling(context: RenderContext) -> list[Manifest]:
    """Return autoscalers, where the spec does not fix the number of pods at a number or at none, and budgets."""
    api, imaging = context.spec.api, context.spec.imaging
    scaling = imaging.autoscaling or ImagingAutoscaling()
    awake = not context.spec.hibernated
    manifests = [_by_cpu(context, API, api.autoscaling or Autoscaling())] if api.replicas is None and awake else []
    if imaging.replicas is None and awake:
        by_queue = scaling.queue_depth is not None and KEDA_GROUP in context.facts.groups
        manifests += _by_queue_depth(context, scaling) if by_queue else [_by_cpu(context, IMAGING, scaling)]
    # minAvailable: 1 would block every drain at one replica; AlwaysAllow lets broken pods be evicted.
    budgets: list[Manifest] = [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": context.metadata(context.named(component), component),
            "spec": {
                "maxUnavailable": 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": selector_labels(context.name, component)},
            },
        }
        for component in (API, IMAGING)
    ]
    return [*manifests, *budgets]


def _by_cpu(context: RenderContext, component: str, scaling: Autoscaling | ImagingAutoscaling) -> Manifest:
    name = context.named(component)
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": context.metadata(name, component),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": scaling.target_cpu_utilization},
                    },
                }
            ],
            "behavior": _behavior(scaling),
        },
    }


def _behavior(scaling: Autoscaling | ImagingAutoscaling) -> dict[str, Any]:
    if scaling.behavior is None or not scaling.behavior.to_json():
        return SLOW_SCALE_IN
    return scaling.behavior.to_json()


def _by_queue_depth(context: RenderContext, scaling: ImagingAutoscaling) -> list[Manifest]:
    name = context.named(IMAGING)
    database = context.spec.database.role_of(IMAGING) or context.spec.database.secret_ref
    return [
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "TriggerAuthentication",
            "metadata": context.metadata(name, IMAGING),
            "spec": {
                "secretTargetRef": [{"parameter": "connection", "name": database.name, "key": database.key}],
            },
        },
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": context.metadata(name, IMAGING),
            "spec": without_none(
                {
                    "scaleTargetRef": {"name": name},
                    "minReplicaCount": scaling.min_replicas,
                    "maxReplicaCount": scaling.max_replicas,
                    "pollingInterval": 10,
                    "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(scaling)}},
                    "triggers": [
                        {
                            "type": "postgresql",
                            "metadata": {"query": QUEUE_DEPTH_QUERY, "targetQueryValue": str(scaling.queue_depth)},
                            "authenticationRef": {"name": name},
                        }
                    ],
                }
            ),
        },
    ]
