"""What a stack may ask for, by default and where the chart widens it."""

from typing import Any

import pytest

from loppestars_operator.spec import Stack
from loppestars_operator.spec.policy import Policy, is_metadata, violations
from tests.factories.refused_stacks import REFUSED
from tests.factories.stacks import SAMPLES, UID, make_stack, sample


class TestViolations:
    @pytest.mark.parametrize("name", REFUSED)
    def test_refused(self, name: str) -> None:
        """By default."""
        assert len(violations(make_stack(**REFUSED[name]), Policy())) == 1

    @pytest.mark.parametrize("path", sorted(SAMPLES.glob("0[1-57]*.yaml")), ids=lambda path: path.stem)
    def test_samples_are_allowed(self, path: Any) -> None:
        """All of them."""
        body = sample(path.stem)
        metadata = {"namespace": "shop", "uid": UID, "resourceVersion": "1"} | body["metadata"]
        assert violations(Stack.parse({**body, "metadata": metadata}), Policy()) == []

    def test_says_what_is_allowed(self) -> None:
        """Whoever reads it knows what to do."""
        assert violations(make_stack(image={"registry": "docker.io/x"}), Policy()) == [
            "spec.image.registry: docker.io/x is not from an allowed registry (ghcr.io/loppestars)"
        ]

    def test_widened(self) -> None:
        """By the chart's values."""
        policy = Policy.model_validate({"registries": ["*"], "priorityClasses": ["web-*"], "openNetwork": True})
        spec = {"image": {"registry": "docker.io/x"}, "networkPolicy": {"enabled": False}}
        assert violations(make_stack(**spec, api={"pod": {"priorityClassName": "web-1"}}), policy) == []

    def test_node_affinity(self) -> None:
        """Its keys are those of nodes too."""
        term = {"matchExpressions": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
        assert violations(make_stack(api={"pod": {"affinity": affinity}}), Policy())


class TestIsMetadata:
    @pytest.mark.parametrize(
        "host", ["169.254.169.254", "0xa9fea9fe", "2852039166", "::ffff:169.254.169.254", "fd00:ec2::254", "127.1"]
    )
    def test_every_form_of_an_address(self, host: str) -> None:
        """As resolvers read them."""
        assert is_metadata(host)

    def test_public(self) -> None:
        """Names and addresses of others."""
        assert not is_metadata("auth.example.com")
        assert not is_metadata("203.0.113.9")
