"""The Deployment of a component that always runs."""

from typing import Any, Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import (
    AWAKE_ANNOTATION,
    CANARY_ANNOTATION,
    TEMPLATE_ANNOTATION,
    digest,
    selector_labels,
)
from loppestars_operator.rendering.context import API, RenderContext
from loppestars_operator.rendering.pods import PodPlan, pod_template
from loppestars_operator.spec.components import Service

# Longer than any canary: only the operator lets the rest follow (docs/decisions/0045).
HELD_SECONDS: Final = 7 * 86_400


def deployment(context: RenderContext, component: str, settings: Service, plan: PodPlan) -> Manifest:
    """Return a Deployment that never has fewer ready pods than it should; `replicas` only where the spec sets it.

    `plan` is made in `context.for_pods()`: while a new revision may not serve, the pods stay as they are, and the rest
    of the Deployment follows the spec. A hibernated one remembers the number of pods that an autoscaler chose.
    """
    name, template = context.named(component), pod_template(context.for_pods(), plan)
    revision = _revision(context.for_pods(), component, template)
    replicas, annotations = settings.replicas, {TEMPLATE_ANNOTATION: revision}
    if context.spec.hibernated:
        if replicas is None and component in context.awake:
            annotations[AWAKE_ANNOTATION] = str(context.awake[component])
        replicas = 0
    fixed = {"replicas": replicas} if replicas is not None else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": context.metadata(name, component, annotations=annotations),
        "spec": {
            **fixed,
            "selector": {"matchLabels": selector_labels(context.name, component)},
            "progressDeadlineSeconds": settings.progress_deadline_seconds + (HELD_SECONDS if context.held else 0),
            **({"minReadySeconds": HELD_SECONDS} if context.held else {}),
            "revisionHistoryLimit": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template,
        },
    }


def _revision(context: RenderContext, component: str, template: dict[str, Any]) -> str:
    """Return the hash of a pod template, which the pods bear too where they may be a canary's."""
    if component != API or not (context.spec.rollout and context.spec.rollout.canary):
        return digest(template)
    revision, metadata = digest([template, "canary"]), template["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), CANARY_ANNOTATION: revision}
    return revision
