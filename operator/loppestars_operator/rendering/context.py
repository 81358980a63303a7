"""What rendering is given: the spec, the images that may serve, and facts of the cluster. Nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from loppestars_operator.naming import API_VERSION, STACK_KIND, component_labels, component_name, stack_labels
from loppestars_operator.spec import Images, Stack, StackSpec

API, IMAGING, CRAWLER, JOBS, MIGRATE = "api", "imaging", "crawler", "jobs", "migrate"
BACKUP, DRILL, RESTORE = "backup", "drill", "restore"
HTTP_PORT: Final = 8080
METRICS_PORT: Final = 9090


@dataclass(frozen=True, slots=True)
class Proxy:
    """By which proxies the cluster reaches the outside, and what is reached without them."""

    http: str = ""
    https: str = ""
    no_proxy: tuple[str, ...] = ()

    @property
    def ports(self) -> list[int]:
        """Ports of the proxies."""
        return sorted({port_of(url) for url in (self.http, self.https) if url})


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What the operator knows of the cluster.

    `groups` are the API groups served, so that add-ons are rendered only where their CRDs are; `secrets` are the
    resource versions of the Secrets that pods use, empty where the operator may not read them. `listen` is the address
    that pods listen on: `::`, which takes IPv4 too, where pods have IPv6 addresses. `assigns_ids` says that the cluster
    gives each namespace its own user IDs, as OpenShift does. `api_server` is the address of the API server for pods.
    """

    groups: frozenset[str] = frozenset()
    secrets: Mapping[str, str] = field(default_factory=dict)
    listen: str = "0.0.0.0"  # noqa: S104 - a pod's own address
    assigns_ids: bool = False
    operator_namespace: str = ""
    proxy: Proxy | None = None
    cluster_domain: str = "cluster.local"
    api_server: str = ""


@dataclass(frozen=True, slots=True)
class RenderContext:
    """Input of every rendering function."""

    stack: Stack
    images: Images
    facts: ClusterFacts
    pod_spec: StackSpec | None = None
    """The spec that pods are rendered from, where another one than the stack's still serves."""
    trial: "RenderContext | None" = None
    """The context of the API's pods while one pod of a new revision is tried."""
    held: bool = False
    """Whether a rollout stops at its first pod."""
    awake: Mapping[str, int] = field(default_factory=dict)
    """Pods that each component had before the stack was hibernated."""

    def for_pods(self) -> "RenderContext":
        """Return the context that pod templates are rendered in."""
        return replace(self, stack=replace(self.stack, spec=self.pod_spec)) if self.pod_spec else self

    @property
    def spec(self) -> StackSpec:
        """Spec of the stack."""
        return self.stack.spec

    @property
    def name(self) -> str:
        """Name of the stack."""
        return self.stack.key.name

    def named(self, component: str) -> str:
        """Name of the objects of a component."""
        return component_name(self.name, component)

    def metadata(self, name: str, component: str | None = None, **more: Any) -> dict[str, Any]:
        """Metadata of an owned object: namespace, labels and the owner reference by which it is garbage-collected."""
        return {
            "name": name,
            "namespace": self.stack.key.namespace,
            "labels": component_labels(self.name, component) if component else stack_labels(self.name),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": STACK_KIND,
                    "name": self.name,
                    "uid": self.stack.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
            **more,
        }


def serving_url(spec: StackSpec) -> str | None:
    """Return the address under which clients reach the API, or None where nothing is known to route to it."""
    if spec.public_url:
        return spec.public_url.rstrip("/")
    host = public_host(spec)
    if host is None:
        return None
    gateway_is_https = bool(gateway_parents(spec)) and any(
        parent.redirect_section_name for parent in gateway_parents(spec)
    )
    secure = gateway_is_https or (ingress_enabled(spec) and spec.ingress is not None and spec.ingress.tls.secret_name)
    return f"{'https' if secure else 'http'}://{host}"


def public_host(spec: StackSpec) -> str | None:
    """Return the API's host name."""
    if spec.ingress and spec.ingress.host and (spec.ingress.enabled or gateway_parents(spec)):
        return spec.ingress.host
    if gateway_parents(spec) and spec.gateway and spec.gateway.hostnames:
        return spec.gateway.hostnames[0]
    return None


def ingress_enabled(spec: StackSpec) -> bool:
    """Return whether an Ingress is asked for."""
    return bool(spec.ingress and spec.ingress.enabled and spec.ingress.host)


def gateway_parents(spec: StackSpec) -> list[Any]:
    """Return the Gateways an HTTPRoute is asked for."""
    return list((spec.gateway.parent_refs if spec.gateway else None) or ())


def port_of(url: str | None) -> int:
    """Return the port a URL is reached at; 443 without one."""
    if url is None:
        return 443
    parts = urlsplit(url)
    return parts.port or (80 if parts.scheme == "http" else 443)


def host_of(url: str | None) -> str:
    """Return the host in a URL; empty without one."""
    return (urlsplit(url).hostname or "") if url else ""


def without_none(value: Any) -> Any:
    """Drop keys whose value is None, at any depth: server-side apply would own a null."""
    if isinstance(value, dict):
        return {key: without_none(child) for key, child in value.items() if child is not None}
    return [without_none(child) for child in value] if isinstance(value, list) else value
