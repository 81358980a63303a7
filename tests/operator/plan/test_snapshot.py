"""What a pass takes for the stack's own."""

from typing import Any

from loppestars_operator.cache.owned import CachedObject, OwnedCache
from loppestars_operator.naming import MANAGED_BY, STACK_LABEL, StackKey, component_labels
from loppestars_operator.plan.snapshot import take_snapshot

KEY = StackKey("shop", "fair")


def deployment(name: str, image: str) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": name,
        "resourceVersion": "5",
        "labels": component_labels("fair", "api"),
    }
    template = {"spec": {"containers": [{"name": "api", "image": image}]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


class TestSnapshot:
    """What a pass takes for the stack's own."""

    def test_deployment_that_only_carries_our_labels(self) -> None:
        """A copy made by hand does not stand in for the real one, whichever came last."""
        bodies = [deployment("a-copy", "x:1"), deployment("fair-api", "r/api:1"), deployment("the-copy", "x:2")]
        assert {STACK_LABEL, *MANAGED_BY} <= bodies[0]["metadata"]["labels"].keys()
        store = OwnedCache()
        for body in bodies:
            store.put(body)
        assert isinstance(store.of(KEY).popitem()[1], CachedObject)
        assert {name: workload.image for name, workload in take_snapshot(store.of(KEY)).workloads().items()} == {
            "api": "r/api:1"
        }
