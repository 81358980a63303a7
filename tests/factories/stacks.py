"""LoppestarsStacks and Crawls for tests, complete as the API server would return them."""

import copy
from pathlib import Path
from typing import Any

import yaml

from loppestars_operator.plan.resolving import resolve_images
from loppestars_operator.rendering import ClusterFacts, RenderContext
from loppestars_operator.spec import Crawl, Images, Stack

SAMPLES = Path(__file__).parents[2] / "k8s" / "samples"
ALL_GROUPS = frozenset({"monitoring.coreos.com", "gateway.networking.k8s.io", "keda.sh", "postgresql.cnpg.io"})
UID = "11111111-2222-4333-8444-555555555555"


def sample(name: str) -> dict[str, Any]:
    """The first document of a sample file, e.g. `01-minimal`."""
    document: dict[str, Any] = next(yaml.safe_load_all((SAMPLES / f"{name}.yaml").read_text()))
    return document


def stack_body(*, name: str = "fair", namespace: str = "shop", **changes: Any) -> dict[str, Any]:
    """A minimal stack; `changes` are top-level fields of its spec, or `status` and `annotations`."""
    body = sample("01-minimal")
    status, annotations = changes.pop("status", None), changes.pop("annotations", None)
    body["metadata"] = {
        "name": name,
        "namespace": namespace,
        "uid": UID,
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    if annotations:
        body["metadata"]["annotations"] = annotations
    body["spec"] |= copy.deepcopy(changes)
    if status:
        body["status"] = status
    return body


def make_stack(**changes: Any) -> Stack:
    return Stack.parse(stack_body(**changes))


def make_context(
    stack: Stack | None = None, facts: ClusterFacts | None = None, images: Images | None = None
) -> RenderContext:
    stack = stack or make_stack()
    return RenderContext(stack, images or resolve_images(stack.spec), facts or ClusterFacts())


def make_crawl(*, name: str = "by-hand", stack: str = "fair", **changes: Any) -> Crawl:
    """A Crawl; `changes` are fields of its spec, or `status`, `labels`, `created_at`, `uid`, `deleting`."""
    status, labels = changes.pop("status", {}), changes.pop("labels", {})
    going = {"deletionTimestamp": "2026-01-01T11:00:00Z"} if changes.pop("deleting", False) else {}
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": changes.pop("uid", "aaaaaaaa-0000-4000-8000-000000000000"),
        "resourceVersion": "9",
        "creationTimestamp": changes.pop("created_at", "2026-01-01T10:00:00Z"),
        "labels": labels,
        **going,
    }
    return Crawl.parse({"metadata": metadata, "spec": {"stackRef": {"name": stack}, **changes}, "status": status})
