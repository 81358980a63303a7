"""The kinds the operator owns: how the API server calls them and when they are applied. A new kind is one line here."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from sys import intern
from typing import Any, Final

Manifest = dict[str, Any]


class Wave(IntEnum):
    """Order of applying. The migration gate stands between MIGRATION and SERVING."""

    PREREQUISITES = 0
    MIGRATION = 1
    SERVING = 2
    REST = 3
    BESIDE = 4  # while SERVING and REST are applied: needs the prerequisites only, and nothing waits for it


@dataclass(frozen=True, slots=True)
class OwnedKind:
    """One kind.

    `addon` says that its CRD belongs to somebody else and may be missing; `optional` that some specs render none of
    it, so that it may have to be deleted.
    """

    api_version: str
    kind: str
    plural: str
    wave: Wave
    optional: bool = False
    addon: bool = False

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Path of the collection, or of one object, on the API server."""
        prefix = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        where = f"/namespaces/{namespace}" if namespace else ""
        return f"{prefix}{where}/{self.plural}" + (f"/{name}" if name else "")


_PRE, _MIGRATE, _SERVE, _REST = Wave.PREREQUISITES, Wave.MIGRATION, Wave.SERVING, Wave.REST

OWNED_KINDS: Final = (
    OwnedKind("v1", "ServiceAccount", "serviceaccounts", _PRE, optional=True),
    OwnedKind("rbac.authorization.k8s.io/v1", "Role", "roles", _PRE),
    # Refused before the Role is there, and slow: the API server looks through all bindings whether the operator may
    # grant what it grants, and waits for up to 100 ms until it knows of the latest. No pod needs it to start.
    OwnedKind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", Wave.BESIDE),
    OwnedKind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", _PRE, optional=True),
    OwnedKind("postgresql.cnpg.io/v1", "Cluster", "clusters", _PRE, optional=True, addon=True),
    OwnedKind("postgresql.cnpg.io/v1", "ScheduledBackup", "scheduledbackups", _PRE, optional=True, addon=True),
    OwnedKind("batch/v1", "Job", "jobs", _MIGRATE, optional=True),
    OwnedKind("v1", "Service", "services", _SERVE),
    OwnedKind("apps/v1", "Deployment", "deployments", _SERVE),
    OwnedKind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", _REST),
    OwnedKind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", _REST, optional=True),
    OwnedKind("batch/v1", "CronJob", "cronjobs", _REST, optional=True),
    OwnedKind("networking.k8s.io/v1", "Ingress", "ingresses", _REST, optional=True),
    OwnedKind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", _REST, optional=True, addon=True),
    OwnedKind("keda.sh/v1alpha1", "TriggerAuthentication", "triggerauthentications", _REST, optional=True, addon=True),
    OwnedKind("keda.sh/v1alpha1", "ScaledObject", "scaledobjects", _REST, optional=True, addon=True),
    OwnedKind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors", _REST, optional=True, addon=True),
    OwnedKind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules", _REST, optional=True, addon=True),
)
# Watched, never written: pods say why something does not start and what a Job found.
POD: Final = OwnedKind("v1", "Pod", "pods", _SERVE)
STACK: Final = OwnedKind("loppestars.dev/v1alpha1", "LoppestarsStack", "loppestarsstacks", _PRE)
CRAWL: Final = OwnedKind("loppestars.dev/v1alpha1", "Crawl", "crawls", _PRE)
LEASE: Final = OwnedKind("coordination.k8s.io/v1", "Lease", "leases", _PRE)
SECRET: Final = OwnedKind("v1", "Secret", "secrets", _PRE)
EVENT: Final = OwnedKind("v1", "Event", "events", _PRE)

_BY_NAME: Final = {(kind.api_version, kind.kind): kind for kind in (*OWNED_KINDS, POD, STACK, CRAWL)}
ADDON_GROUPS: Final = {
    "monitoring.coreos.com": "prometheus-operator",
    "gateway.networking.k8s.io": "Gateway API",
    "keda.sh": "KEDA",
    "postgresql.cnpg.io": "CloudNativePG",
}


def kind_of(manifest: Manifest) -> OwnedKind:
    """Return the kind of a manifest; KeyError for one that is not in the table."""
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]


def kind_named(kind: str) -> OwnedKind:
    """Return an owned kind by its name alone."""
    return next(known for known in _BY_NAME.values() if known.kind == kind)


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """What names an object in the cluster."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def key_of(manifest: Manifest) -> ObjectKey:
    """Return the key of a manifest or of a live object."""
    meta = manifest["metadata"]
    # The same words stand in tens of thousands of keys.
    return ObjectKey(intern(manifest["kind"]), intern(meta["namespace"]), meta["name"])


def owner_uids(manifest: Manifest, kind: str | None = None) -> list[str]:
    """Return the UIDs of an object's owners, or of those of one kind."""
    owners = manifest["metadata"].get("ownerReferences") or ()
    return [owner["uid"] for owner in owners if kind in {None, owner.get("kind")}]


def label_of(manifest: Manifest, name: str) -> str | None:
    """Return the value of a label."""
    value: str | None = (manifest["metadata"].get("labels") or {}).get(name)
    return value


def component_of(manifest: Manifest) -> str | None:
    """Return the component an object belongs to."""
    return label_of(manifest, "app.kubernetes.io/component")


def pods_of(job: Manifest, pods: Iterable[Manifest]) -> list[Manifest]:
    """Return the pods that an object made."""
    return [pod for pod in pods if job["metadata"]["uid"] in owner_uids(pod)]


def condition_of(manifest: Manifest, kind: str) -> Manifest:
    """Return a condition in an object's status; empty where it is not set."""
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == kind), {})
