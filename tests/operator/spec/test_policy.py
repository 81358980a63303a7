"""What a stack may ask for, by default and where the chart widens it."""

from typing import Any

import pytest

from loppestars_operator.spec import Stack
from loppestars_operator.spec.policy import Policy, is_metadata, violations
from tests.factories.stacks import SAMPLES, UID, make_stack, sample

S3 = {"originalsBucket": "a-a", "processedBucket": "b-b", "credentialsSecretRef": {"name": "any"}}
ISSUER = {"clientIds": ["web"], "clientSecretRef": {"name": "any"}, "issuer": "https://evil.example.com"}
VAULT = {"bucket": "backups", "credentialsSecretRef": {"name": "any"}}
REFUSED: dict[str, dict[str, Any]] = {
    "registry": {"image": {"registry": "ghcr.io/loppestars-evil"}},
    "image": {"api": {"image": "docker.io/evil/api:1"}},
    "pod annotation": {"api": {"pod": {"annotations": {"container.apparmor.security.beta.kubernetes.io/api": "x"}}}},
    "pod label that a Service selects": {"imaging": {"pod": {"labels": {"app": "payments"}}}},
    "priority class": {"api": {"pod": {"priorityClassName": "system-node-critical"}}},
    "control plane": {"api": {"pod": {"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}}},
    "every taint": {"api": {"pod": {"tolerations": [{"operator": "Exists"}]}}},
    "loader": {"api": {"pod": {"env": [{"name": "LD_PRELOAD", "value": "/x"}]}}},
    "interpreter": {"jobs": {"pod": {"env": [{"name": "PYTHONPATH", "value": "/x"}]}}},
    "roles claim": {"api": {"pod": {"env": [{"name": "JWT_TRUST_ROLES_CLAIM", "value": "true"}]}}},
    "proxy": {"crawler": {"pod": {"env": [{"name": "HTTPS_PROXY", "value": "http://evil"}]}}},
    "snippet": {"ingress": {"host": "a.b", "annotations": {"nginx.ingress.kubernetes.io/server-snippet": "x"}}},
    "foreign endpoint": {"storage": {"s3": S3 | {"endpoint": "https://evil.example.com"}}},
    "metadata service": {"auth": {"jwksUrl": "http://169.254.169.254/latest"}},
    "metadata by name": {"auth": {"jwksUrl": "http://metadata.google.internal/x"}},
    "private address": {"auth": {"jwksUrl": "http://10.0.0.5/keys"}},
    "foreign vault": {"backup": {"s3": VAULT | {"endpoint": "https://evil.example.com"}}},
    "image of backups": {"backup": {"s3": VAULT, "image": "docker.io/evil/backup:1"}},
    "foreign issuer": {"auth": {"signInSecretRef": {"name": "keys"}, "providers": {"oidc": ISSUER}}},
    "open engine": {"imaging": {"engine": {"sandbox": "off"}}},
    "open network": {"networkPolicy": {"enabled": False}},
    "cloud role": {"api": {"serviceAccount": {"annotations": {"anything.example.com/role": "x"}}}},
}


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
