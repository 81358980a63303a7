"""A cluster that assigns user IDs and refuses others: OpenShift's restricted-v2, played by an admission policy."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from loppestars_operator.kinds import POD
from tests.factories.cluster_client import Client, condition
from tests.factories.operator_process import OperatorProcess, kubectl
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
GROUP = "security.openshift.io"
IN_RANGE = "int(variables.range[0]) <= u && u < int(variables.range[0]) + int(variables.range[1])"
RULES = {
    "runAsUser and fsGroup are outside of the namespace's range": f"variables.ids.all(u, {IN_RANGE})",
    "runAsNonRoot": "object.spec.?securityContext.?runAsNonRoot.orValue(false) == true",
    "privileges": "variables.containers.all(c, !c.?securityContext.?allowPrivilegeEscalation.orValue(true))",
    "capabilities": "variables.containers.all(c, c.?securityContext.?capabilities.?drop.orValue([])"
    ".exists(d, d == 'ALL') && c.?securityContext.?capabilities.?add.orValue([]).all(a, a == 'NET_BIND_SERVICE'))",
    "seccomp": "object.spec.?securityContext.?seccompProfile.?type.orValue('RuntimeDefault') == 'RuntimeDefault'",
    "volumes": "object.spec.?volumes.orValue([]).all(v, has(v.configMap) || has(v.secret) || has(v.emptyDir)"
    " || has(v.projected) || has(v.downwardAPI) || has(v.csi) || has(v.ephemeral) || has(v.persistentVolumeClaim))",
    "host": "!object.spec.?hostNetwork.orValue(false) && !object.spec.?hostPID.orValue(false)",
}
PARTS = "[object.spec.?securityContext.?runAsUser, object.spec.?securityContext.?fsGroup]"
VARIABLES = {
    "range": "namespaceObject.metadata.annotations['openshift.io/sa.scc.uid-range'].split('/')",
    "containers": "object.spec.containers + object.spec.?initContainers.orValue([])",
    "ids": f"({PARTS} + variables.containers.map(c, c.?securityContext.?runAsUser))"
    ".filter(u, u.hasValue()).map(u, u.value())",
}


def restricted(namespace: str) -> list[dict[str, Any]]:
    """The policy for one namespace, and the resource by which OpenShift is known."""
    kind = "admissionregistration.k8s.io/v1"
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "variables": [{"name": name, "expression": text} for name, text in VARIABLES.items()],
        "validations": [{"message": f"restricted-v2: {name}", "expression": text} for name, text in RULES.items()],
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding = {
        "policyName": namespace,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": selector},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    names = {"plural": "securitycontextconstraints", "kind": "SecurityContextConstraints"}
    constraints = {"group": GROUP, "scope": "Cluster", "names": names, "versions": [version]}
    metadata = {"name": namespace}
    return [
        {"apiVersion": kind, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": policy},
        {"apiVersion": kind, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata, "spec": binding},
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"securitycontextconstraints.{GROUP}"},
            "spec": constraints,
        },
    ]


@pytest.fixture
async def openshift(lone_client: Client, with_addons: ControlPlane) -> AsyncIterator[Client]:
    """An administrator in a namespace with a range of user IDs."""
    annotation = "openshift.io/sa.scc.uid-range=1000700000/10000"
    assert kubectl(with_addons, "annotate", "namespace", lone_client.namespace, annotation).returncode == 0
    text = yaml.safe_dump_all(restricted(lone_client.namespace))
    made = kubectl(with_addons, "apply", "-f", "-", stdin=text)
    assert made.returncode == 0, made.stderr
    crd = f"crd/securitycontextconstraints.{GROUP}"
    assert kubectl(with_addons, "wait", "--for=condition=Established", crd, "--timeout=20s").returncode == 0
    try:
        yield lone_client
    finally:
        with contextlib.suppress(OSError):
            kubectl(with_addons, "delete", "-f", "-", stdin=text)


class TestOpenShift:
    async def test_ready(self, openshift: Client, with_addons: ControlPlane, tmp_path: Path) -> None:
        """Every pod is admitted, those of the migration and of the crawls too."""
        with OperatorProcess(with_addons, tmp_path / "log", WATCH_NAMESPACES=openshift.namespace):
            await openshift.apply_stack()
            await openshift.ready(within=60)
        pods = await openshift.list(POD)
        assert pods
        assert not [pod for pod in pods if "runAsUser" in pod["spec"]["securityContext"]]

    async def test_refused(self, openshift: Client, with_addons: ControlPlane, tmp_path: Path) -> None:
        """A user of one's own is refused by the cluster; the stack says so in its words, within seconds."""
        own = {"podTemplate": {"spec": {"securityContext": {"runAsUser": 65532}}}}
        with OperatorProcess(with_addons, tmp_path / "log", WATCH_NAMESPACES=openshift.namespace):
            await openshift.apply_stack(database={"secretRef": {"name": "loppestars-database"}, "migration": own})
            status = await openshift.stack_when(
                lambda status: condition(status, "Ready")["reason"] == "FailedCreate", within=20
            )
            assert "restricted-v2: runAsUser and fsGroup are outside" in condition(status, "Ready")["message"]
