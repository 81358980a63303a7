"""Names, labels and annotations. Selectors made here are immutable in running clusters: change nothing lightly."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

GROUP: Final = "loppestars.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
STACK_KIND: Final = "LoppestarsStack"
CRAWL_KIND: Final = "Crawl"

FIELD_MANAGER: Final = "loppestars-operator"
# A second manager holds `replicas` for a moment when the spec hands them over to an autoscaler.
CEDING_MANAGER: Final = "loppestars-operator-ceding"
REPAIR_MANAGER: Final = f"{FIELD_MANAGER}-repair"

STACK_LABEL: Final = f"{GROUP}/stack"
TRIGGER_LABEL: Final = f"{GROUP}/trigger"
CRAWL_LABEL: Final = f"{GROUP}/crawl"
RENDERING_ANNOTATION: Final = f"{GROUP}/rendering"
SECRETS_ANNOTATION: Final = f"{GROUP}/secrets"
RECONCILE_ANNOTATION: Final = f"{GROUP}/reconcile"
RESERVED_LABEL: Final = f"{GROUP}/stacks"
RETRY_ANNOTATION: Final = f"{GROUP}/retry"
TEMPLATE_ANNOTATION: Final = f"{GROUP}/template"
# How many pods a hibernated Deployment had, where no number in the spec says so.
AWAKE_ANNOTATION: Final = f"{GROUP}/awake-replicas"
OPERATOR_ANNOTATION: Final = f"{GROUP}/operator"
# On pods of an API that has canaries: the hash of their template, by which a canary's are known.
CANARY_ANNOTATION: Final = f"{GROUP}/revision"
MIGRATION_IMAGE_ANNOTATION: Final = f"{GROUP}/migration-image"

MANAGED_BY: Final = {"app.kubernetes.io/managed-by": FIELD_MANAGER}
# What the operator's own watches select: everything it owns carries it, pods included.
OWNED_SELECTOR: Final = f"app.kubernetes.io/managed-by={FIELD_MANAGER}"


@dataclass(frozen=True, slots=True, order=True)
class StackKey:
    """Namespace and name of a LoppestarsStack: what the work queue is keyed by."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def component_name(stack: str, component: str) -> str:
    """Name shared by all objects of one component, e.g. `fair-api`."""
    return f"{stack}-{component}"


def selector_labels(stack: str, component: str) -> dict[str, str]:
    """Labels that select the pods of one component. Immutable in a Deployment."""
    return {
        "app.kubernetes.io/name": "loppestars",
        "app.kubernetes.io/instance": stack,
        "app.kubernetes.io/component": component,
    }


def stack_labels(stack: str) -> dict[str, str]:
    """Labels of everything a stack owns."""
    return {
        "app.kubernetes.io/name": "loppestars",
        "app.kubernetes.io/instance": stack,
        "app.kubernetes.io/part-of": "loppestars",
        STACK_LABEL: stack,
        **MANAGED_BY,
    }


def component_labels(stack: str, component: str) -> dict[str, str]:
    """Labels of an object, or a pod, of one component."""
    return {**stack_labels(stack), "app.kubernetes.io/component": component}


def digest(value: object, length: int = 16) -> str:
    """Short hexadecimal SHA-256 of a JSON value; equal for equal values whatever the order of keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]
