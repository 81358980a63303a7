"""A refusal of the API server becomes a problem that a stranger understands. The messages are a real one's."""

import pytest

from loppestars_operator.kinds import ObjectKey
from loppestars_operator.kube.client import KubeError
from loppestars_operator.reconcile.refusals import explain

KEY = ObjectKey("Deployment", "shop", "fair-api")
UNTYPED = "failed to create typed patch object (shop/fair-api; apps/v1, Kind=Deployment): "


class TestRefusals:
    """A refusal of the API server becomes a problem that a stranger understands. The messages are a real one's."""

    @pytest.mark.parametrize(
        ("status", "message", "reason"),
        [
            (422, 'Deployment.apps "fair-api" is invalid: spec.template: Invalid value', "InvalidSpec"),
            (500, UNTYPED + ".spec.template.spec.affinity.foo: field not declared in schema", "InvalidSpec"),
            (500, UNTYPED + ".spec.template.spec.affinity.nodeAffinity: expected map, got &{x}", "InvalidSpec"),
            (403, 'jobs.batch "j" is forbidden: exceeded quota: q, requested: count/jobs.batch=1', "QuotaExceeded"),
            (403, 'admission webhook "images.example.com" denied the request: unsigned image', "Refused"),
            (403, 'deployments.apps is forbidden: User "operator" cannot patch resource "deployments"', "Forbidden"),
            (403, 'roles "fair-api" is forbidden: user "o" is attempting to grant RBAC permissions not currently held',
             "Forbidden"),
        ],
    )  # fmt: skip
    def test_what_waits_for_a_person(self, status: int, message: str, reason: str) -> None:
        """In the API server's own words; a missing right is the operator's, a quota or a rule somebody else's."""
        problem = explain(KubeError(status, "", message), KEY, "api")
        assert (problem.reason, problem.transient, problem.component) == (reason, False, "api")
        assert message in problem.message
        assert ("service account" in problem.message) is (reason == "Forbidden")

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (KubeError(429, "TooManyRequests", "too many requests"), "ApiError"),
            (KubeError(409, "Conflict", "the object has been modified"), "ApiError"),
            (KubeError(500, "InternalError", "failed calling webhook: connection refused"), "ApiError"),
            (KubeError(403, "Forbidden", "being terminated", ("NamespaceTerminating",)), "NamespaceTerminating"),
        ],
    )
    def test_what_mends_itself(self, error: KubeError, reason: str) -> None:
        """It is tried again within seconds."""
        problem = explain(error, KEY)
        assert (problem.reason, problem.transient) == (reason, True)
