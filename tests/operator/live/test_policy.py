"""The chart's ValidatingAdmissionPolicy refuses what the operator's policy refuses, before it is written."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml

from loppestars_operator.kinds import STACK
from loppestars_operator.kube.client import KubeError
from tests.factories.cluster_client import Client, eventually
from tests.factories.operator_process import chart, kubectl
from tests.factories.refused_stacks import REFUSED
from tests.factories.stacks import SAMPLES, sample
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
FOREIGN = {"image": {"registry": "docker.io/evil"}}


@asynccontextmanager
async def enforced(client: Client, plane: ControlPlane) -> AsyncIterator[None]:
    """Put the policy in force for a namespace, with the chart's defaults."""
    made = chart(
        "loppestars-operator", "--set=admissionPolicy=Enabled", f"--set=watchNamespaces={{{client.namespace}}}"
    )
    kinds = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    documents = [document for document in made if document["kind"] in kinds]
    for document in documents:
        document["metadata"]["name"] = document["metadata"]["name"] + client.namespace
        if document["kind"] == "ValidatingAdmissionPolicyBinding":
            document["spec"]["policyName"] += client.namespace
    text = yaml.safe_dump_all(documents)
    applied = kubectl(plane, "apply", "--server-side", "-f", "-", stdin=text)
    assert applied.returncode == 0, applied.stderr

    async def in_force() -> bool:
        try:
            # Another one each time: what was admitted before may be written again.
            await client.apply_stack(f"probe-{uuid.uuid4().hex[:8]}", **FOREIGN)
        except KubeError as error:
            return "is not an allowed registry" in error.message
        return False

    await eventually(in_force, 30)
    try:
        yield
    finally:
        kubectl(plane, "delete", "-f", "-", stdin=text)


@pytest.fixture
async def guarded(client: Client, plane: ControlPlane) -> AsyncIterator[Client]:
    """An administrator in a namespace for which the policy is in force."""
    async with enforced(client, plane):
        yield client


class TestAdmissionPolicy:
    async def test_refused(self, guarded: Client) -> None:
        """Every example that the operator itself refuses, and each with its reason."""
        answers = {}
        for name, change in REFUSED.items():
            try:
                await guarded.apply_stack("asks-too-much", **change)
                answers[name] = "accepted"
            except KubeError as error:
                answers[name] = error.message
        # An expression that fails is a refusal too, but not for the reason.
        odd = {name: said for name, said in answers.items() if "denied request: " not in said or "expression" in said}
        assert odd == {}

    @pytest.mark.parametrize("path", sorted(SAMPLES.glob("0[1-57]*.yaml")), ids=lambda path: path.stem)
    async def test_samples(self, guarded: Client, path: Any) -> None:
        """All of them are admitted."""
        body = sample(path.stem)
        body["metadata"]["namespace"] = guarded.namespace
        assert (await guarded.kube.create(STACK.path(guarded.namespace), body))["metadata"]["uid"]

    async def test_what_was_there_before(self, client: Client, plane: ControlPlane) -> None:
        """It can be annotated and deleted; its spec changes only towards what is allowed."""
        await client.apply_stack("old", **FOREIGN)
        async with enforced(client, plane):
            await client.patch(STACK, "old", {"metadata": {"annotations": {"team": "web"}}})
            with pytest.raises(KubeError, match="is not an allowed registry"):
                await client.patch(STACK, "old", {"spec": {"version": "0.2.0"}})
            await client.patch(STACK, "old", {"spec": {"image": {"registry": "ghcr.io/loppestars"}}})
            await client.delete(STACK, "old")
