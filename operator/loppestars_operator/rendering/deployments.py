"""The Deployment of a component that always runs."""

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import AWAKE_ANNOTATION, TEMPLATE_ANNOTATION, digest, selector_labels
from loppestars_operator.rendering.context import RenderContext
from loppestars_operator.rendering.pods import PodPlan, pod_template
from loppestars_operator.spec.components import Service


def deployment(context: RenderContext, component: str, settings: Service, plan: PodPlan) -> Manifest:
    """Return a Deployment that never has fewer ready pods than it should; `replicas` only where the spec sets it.

    `plan` is made in `context.for_pods()`: while a new revision may not serve, the pods stay as they are, and the rest
    of the Deployment follows the spec. A hibernated one remembers the number of pods that an autoscaler chose.
    """
    name, template = context.named(component), pod_template(context.for_pods(), plan)
    replicas, annotations = settings.replicas, {TEMPLATE_ANNOTATION: digest(template)}
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
            "progressDeadlineSeconds": settings.progress_deadline_seconds,
            "revisionHistoryLimit": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": template,
        },
    }
