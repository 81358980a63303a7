"""The pod of a component: restricted Pod Security, bounded resources, the overrides of the spec."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from pydantic.alias_generators import to_camel

from loppestars_operator.naming import SECRETS_ANNOTATION, component_labels, digest, selector_labels
from loppestars_operator.rendering.context import METRICS_PORT, RenderContext, without_none
from loppestars_operator.rendering.environment import Variable, secret_names, with_extra
from loppestars_operator.rendering.surroundings import (
    ca_mounts,
    ca_volumes,
    mesh_annotations,
    mesh_labels,
    variables,
)
from loppestars_operator.spec.components import Component
from loppestars_operator.spec.pods import Resources
from loppestars_operator.spec.quantities import quantity
from loppestars_operator.spec.template import merge

# The user of the images; see the Dockerfile. Left out where the cluster assigns IDs and refuses others.
IDS: Final = {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
PRE_STOP_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class PodPlan:
    """What makes the pod of one component different from the others'.

    `requests` and `limits` are defaults; what the spec sets replaces them one by one. `account` is the component
    whose ServiceAccount the pod runs as.
    """

    component: str
    image: str
    command: tuple[str, ...]
    settings: Component
    env: list[Variable]
    requests: dict[str, str]
    limits: dict[str, str]
    account: str
    mounts_token: bool = False
    scratch: str = "256Mi"
    container: dict[str, Any] = field(default_factory=dict)
    pod: dict[str, Any] = field(default_factory=dict)
    init: "PodPlan | None" = None
    """What has to succeed before the container starts, in the same pod."""


def pod_template(context: RenderContext, plan: PodPlan) -> dict[str, Any]:
    """Return a pod template; byte-identical for the same spec, images and Secrets."""
    overrides = plan.settings.pod
    around = variables(context)
    env = with_extra([*plan.env, *around], overrides)
    annotations = {**mesh_annotations(context), **((overrides.annotations if overrides else None) or {})}
    before = with_extra([*plan.init.env, *around], plan.init.settings.pod) if plan.init else []
    bundle = context.spec.ca_bundle.secret_ref if context.spec.ca_bundle else None
    names = sorted({*secret_names([*env, *before]), *([bundle.name] if bundle else [])})
    versions = {name: context.facts.secrets[name] for name in names if name in context.facts.secrets}
    if versions:
        annotations[SECRETS_ANNOTATION] = digest(versions)
    labels = {
        **mesh_labels(context),
        **((overrides.labels if overrides else None) or {}),
        **component_labels(context.name, plan.component),
    }
    template: dict[str, Any] = without_none(
        {
            "metadata": {"labels": labels, "annotations": annotations or None},
            "spec": {
                "serviceAccountName": context.named(plan.account),
                "automountServiceAccountToken": plan.mounts_token,
                "enableServiceLinks": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    **({} if context.facts.assigns_ids else IDS),
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "imagePullSecrets": [{"name": secret.name} for secret in context.spec.image.pull_secrets or ()] or None,
                "initContainers": [_container(context, plan.init, before)] if plan.init else None,
                "containers": [_container(context, plan, env)],
                "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": plan.scratch}}, *ca_volumes(context)],
                "nodeSelector": (overrides.node_selector if overrides else None) or None,
                "tolerations": [found.to_json() for found in (overrides.tolerations if overrides else None) or ()]
                or None,
                "affinity": (overrides.affinity if overrides else None) or None,
                "priorityClassName": overrides.priority_class_name if overrides else None,
                **plan.pod,
            },
        }
    )
    return patched(template, plan) if plan.settings.pod_template else template


def patched(template: dict[str, Any], plan: PodPlan) -> dict[str, Any]:
    """Return a pod template with the spec's patch; what makes the pod the component's own stays as rendered."""
    result: dict[str, Any] = merge(template, plan.settings.pod_template)
    metadata, pod = template["metadata"], template["spec"]
    result["metadata"]["labels"] = {**result["metadata"]["labels"], **metadata["labels"]}
    annotations = {**(result["metadata"].get("annotations") or {}), **(metadata.get("annotations") or {})}
    result["metadata"] |= {"annotations": annotations} if annotations else {}
    result["spec"] |= {name: pod[name] for name in ("serviceAccountName", "automountServiceAccountToken")}
    own = {container["name"]: container for container in [*pod["containers"], *pod.get("initContainers", ())]}
    for container in [*result["spec"]["containers"], *(result["spec"].get("initContainers") or ())]:
        if ours := own.get(container["name"]):
            container |= {name: ours[name] for name in ("image", "command")}
            container.pop("args", None)
            taken = {variable["name"] for variable in ours["env"]}
            more = [variable for variable in container["env"] if variable["name"] not in taken]
            container["env"] = [*ours["env"], *more]
    return result


def _container(context: RenderContext, plan: PodPlan, env: list[Variable]) -> dict[str, Any]:
    return {
        "name": plan.component,
        "image": plan.image,
        "imagePullPolicy": context.spec.image.pull_policy,
        "command": list(plan.command),
        "env": env,
        "resources": resources(plan.settings.resources, plan.requests, plan.limits),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod's own
            *ca_mounts(context),
        ],
        **plan.container,
    }


def resources(chosen: Resources | None, requests: dict[str, str], limits: dict[str, str]) -> dict[str, Any]:
    """Return the defaults with what the spec sets in their place.

    A default limit gives way to a request above it, and a default request to a limit below it: neither is the spec's.
    """
    asked, capped = (chosen.requests if chosen else None) or {}, (chosen.limits if chosen else None) or {}
    raised = {name: max(limit, asked.get(name, limit), key=_amount) for name, limit in limits.items()}
    lowered = {name: min(request, capped.get(name, request), key=_amount) for name, request in requests.items()}
    return {"requests": {**lowered, **asked}, "limits": {**raised, **capped}}


def _amount(text: str | int) -> Decimal:
    return quantity(str(text)) or Decimal(0)


def probe(path: str, port: str, **timing: int) -> dict[str, Any]:
    """Return an HTTP probe; `timing` is in seconds and counts."""
    return {"httpGet": {"path": path, "port": port}, **{to_camel(name): number for name, number in timing.items()}}


def serving_pod(context: RenderContext, component: str, *, grace_seconds: int) -> dict[str, Any]:
    """Return what pods that always run have: time to drain, and a spread over nodes and zones."""
    labels = selector_labels(context.name, component)
    return {
        "terminationGracePeriodSeconds": grace_seconds,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
                "matchLabelKeys": ["pod-template-hash"],
            }
            for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
        ],
    }


def drain() -> dict[str, Any]:
    """Return the hook that lets load balancers forget the pod before it stops listening."""
    return {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}}


def metrics_port() -> dict[str, Any]:
    """Return the port that Prometheus scrapes, never routed to clients."""
    return {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}
