"""A strategic patch, and the paths by which a policy bounds it."""

from typing import Any

import pytest

from loppestars_operator.spec.policy import Policy, violations
from loppestars_operator.spec.template import leaves, merge
from tests.factories.stacks import make_stack

SIDECAR = {"name": "proxy", "image": "ghcr.io/loppestars/proxy:1"}


class TestMerge:
    def test_by_name(self) -> None:
        """Items of lists are changed or appended, never lost."""
        own = {"containers": [{"name": "api", "image": "a", "env": [{"name": "A", "value": "1"}]}]}
        patch = {"containers": [SIDECAR, {"name": "api", "env": [{"name": "B", "value": "2"}]}]}
        assert merge(own, patch) == {
            "containers": [
                {"name": "api", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                SIDECAR,
            ]
        }

    def test_other_lists(self) -> None:
        """They are replaced, and a null takes away."""
        assert merge({"tolerations": [1], "fsGroup": 2}, {"tolerations": [3], "fsGroup": None}) == {"tolerations": [3]}


class TestLeaves:
    def test_paths(self) -> None:
        """By names where there are some, else by number."""
        patch = {"spec": {"volumes": [{"name": "cache", "emptyDir": {}}], "tolerations": [{"key": "a"}]}}
        assert dict(leaves(patch)) == {
            "spec.volumes.cache.name": "cache",
            "spec.volumes.cache.emptyDir": {},
            "spec.tolerations.0.key": "a",
        }


class TestPolicy:
    @pytest.mark.parametrize(
        "spec",
        [
            {"securityContext": {"runAsUser": 1000}},
            {"volumes": [{"name": "cache", "emptyDir": {"medium": "Memory"}}]},
            {"containers": [{"name": "api", "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}]},
        ],
    )
    def test_allowed(self, spec: dict[str, Any]) -> None:
        """By default: what changes nothing of who the pod is and what it may."""
        assert violations(make_stack(api={"podTemplate": {"spec": spec}}), Policy()) == []

    @pytest.mark.parametrize(
        "spec",
        [
            {"hostNetwork": True},
            {"serviceAccountName": "admin"},
            {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]},
            {"volumes": [{"name": "keys", "secret": {"secretName": "payroll"}}]},
            {"containers": [{"name": "api", "securityContext": {"privileged": True}}]},
            {"containers": [{"name": "api", "env": [{"name": "LD_PRELOAD", "value": "/x"}]}]},
            {"containers": [SIDECAR]},
            {"tolerations": [{"operator": "Exists"}]},
        ],
    )
    def test_refused(self, spec: dict[str, Any]) -> None:
        """By default, for every component."""
        for component in ("api", "imaging", "crawler", "jobs"):
            assert violations(make_stack(**{component: {"podTemplate": {"spec": spec}}}), Policy())

    def test_widened(self) -> None:
        """Sidecars of allowed registries only, and never a variable that loaders read."""
        policy = Policy.model_validate({"podTemplate": ["*"]})
        containers: list[dict[str, Any]] = [SIDECAR]
        stack = make_stack(api={"podTemplate": {"spec": {"containers": containers}}})
        assert violations(stack, policy) == []
        for wrong in ({"image": "docker.io/evil:1"}, {"env": [{"name": "LD_PRELOAD", "value": "/x"}]}):
            containers = [SIDECAR | wrong]
            assert violations(make_stack(api={"podTemplate": {"spec": {"containers": containers}}}), policy)
