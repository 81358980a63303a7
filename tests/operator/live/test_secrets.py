"""What the operator sees of Secrets, where its chart lets it."""

import pytest

from loppestars_operator.kinds import SECRET, Manifest
from loppestars_operator.kube.client import METADATA
from loppestars_operator.reconcile import secrets
from loppestars_operator.reconcile.secrets import SecretReader
from tests.factories.cluster_client import Client
from tests.factories.stacks import make_stack

pytestmark = pytest.mark.cluster


async def make(client: Client, name: str, value: str) -> Manifest:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"secret": value}}
    return await client.kube.create(SECRET.path(client.namespace), body)


class TestSecrets:
    """What the operator sees of Secrets, where its chart lets it."""

    async def test_rotation_by_deletion_is_one_change(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """While it is missing the problem is told and the pods' hash stays; the new one changes it once."""
        monkeypatch.setattr(secrets, "LOOK_SECONDS", 0.0)
        stack, reader = make_stack(namespace=client.namespace), SecretReader(client.kube, enabled=True)
        for name in ("loppestars-database", "loppestars-s3", "loppestars-jwt"):
            await make(client, name, "one")
        first = await reader.read(stack)
        assert (len(first.versions), first.problems) == (3, ())
        await client.delete(SECRET, "loppestars-jwt")
        without = await reader.read(stack)
        assert without.versions == first.versions
        assert [problem.reason for problem in without.problems] == ["SecretMissing"]
        assert "loppestars-jwt does not exist" in without.problems[0].message
        await make(client, "loppestars-jwt", "two")
        second = await reader.read(stack)
        assert second.problems == ()
        assert {name for name in first.versions if first.versions[name] != second.versions[name]} == {"loppestars-jwt"}

    async def test_secret_that_was_never_there(self, client: Client) -> None:
        """It is named, and nothing is made of it."""
        found = await SecretReader(client.kube, enabled=True).read(make_stack(namespace=client.namespace))
        assert (found.versions, len(found.problems)) == ({}, 3)

    async def test_what_is_remembered_goes_with_the_stack(self, client: Client) -> None:
        """Stacks come and go for months under one process."""
        stack, reader = make_stack(namespace=client.namespace), SecretReader(client.kube, enabled=True)
        await make(client, "loppestars-jwt", "one")
        await reader.read(stack)
        reader.forget(stack.key)
        assert (reader._known, reader._last) == ({}, {})

    async def test_values_are_never_read(self, client: Client) -> None:
        """The API server is asked for metadata only."""
        await make(client, "loppestars-jwt", "a-value-to-keep")
        path = SECRET.path(client.namespace, "loppestars-jwt")
        assert "data" in await client.kube.get(path)
        assert "data" not in await client.kube.get(path, accept=METADATA)
