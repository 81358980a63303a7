"""The API: Deployment, Service, and the right to ask for crawls."""

from typing import Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import GROUP, selector_labels
from loppestars_operator.rendering import environment
from loppestars_operator.rendering.context import API, HTTP_PORT, RenderContext
from loppestars_operator.rendering.deployments import deployment
from loppestars_operator.rendering.pods import (
    PRE_STOP_SECONDS,
    PodPlan,
    drain,
    metrics_port,
    probe,
    serving_pod,
)

# `/process` waits up to 30 s for a photo and the API lets requests finish for 40 s; DESIGN: grace exceeds both.
DRAIN_SECONDS: Final = 40
GRACE_SECONDS: Final = PRE_STOP_SECONDS + DRAIN_SECONDS + 10
# What the API may do with crawls. The operator must hold each of these itself to grant it.
CRAWL_VERBS: Final = ("create", "get", "list", "watch", "patch")


def render_api(context: RenderContext) -> list[Manifest]:
    """Return the objects of the API."""
    api = deployment(context, API, context.spec.api, _pod(context.for_pods()))
    service: Manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": context.metadata(context.named(API), API),
        "spec": {
            "type": "ClusterIP",
            "ipFamilyPolicy": "PreferDualStack",
            "selector": selector_labels(context.name, API),
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }
    return [*_crawl_role(context), service, api]


def _crawl_role(context: RenderContext) -> list[Manifest]:
    name, rbac = context.named(API), "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": context.metadata(name, API),
            "rules": [{"apiGroups": [GROUP], "resources": ["crawls"], "verbs": list(CRAWL_VERBS)}],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": context.metadata(name, API),
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": context.stack.key.namespace}],
        },
    ]


def _pod(context: RenderContext) -> PodPlan:
    return PodPlan(
        component=API,
        image=context.images.api,
        command=("loppestars-api",),
        settings=context.spec.api,
        env=environment.api(context),
        requests={"cpu": "100m", "memory": "192Mi"},
        limits={"memory": "512Mi"},
        account=API,
        mounts_token=True,  # to create Crawls
        scratch="1Gi",  # uploads are buffered on disk
        container={
            "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}, metrics_port()],
            "startupProbe": probe("/health", "http", period_seconds=2, failure_threshold=60, timeout_seconds=2),
            "livenessProbe": probe("/health", "http", period_seconds=10, failure_threshold=3, timeout_seconds=5),
            "readinessProbe": probe("/serving", "http", period_seconds=5, failure_threshold=2, timeout_seconds=4),
            "lifecycle": drain(),
        },
        pod=serving_pod(context, API, grace_seconds=GRACE_SECONDS),
    )
