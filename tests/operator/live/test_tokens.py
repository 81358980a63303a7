"""The pod's token is renewed under way: calls go on with the new one, and a torn file is a pause."""

import asyncio
import datetime as dt
import types
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kubernetes.aio.config import incluster_config

from loppestars_operator.kinds import STACK
from loppestars_operator.kube.client import KubeClient, KubeError, Unreachable
from loppestars_operator.kube.transport import HttpTransport
from tests.factories.cluster_client import Client, eventually
from tests.factories.operator_process import NAMESPACE
from tools.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster
ACCOUNT = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/loppestars-operator/token"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
UNAUTHORIZED = 401


async def token(client: Client, name: str) -> str:
    """A token of the operator's account that ends with a Secret."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    made = await client.kube.create(SECRETS, secret)
    bound = {"kind": "Secret", "apiVersion": "v1", "name": name, "uid": made["metadata"]["uid"]}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}}
    answer = await client.kube.create(ACCOUNT, request)
    text: str = answer["status"]["token"]
    return text


class TestTokens:
    """The pod's token is renewed under way: calls go on with the new one, and a torn file is a pause."""

    async def test_renewed_token_is_taken_up(
        self, client: Client, plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As the kubelet replaces it: the file changes, the old token ends, the process goes on."""
        first, second = f"{client.namespace}-1", f"{client.namespace}-2"
        file = tmp_path / "token"
        file.write_text(await token(client, first))
        transport = client.kube._transport
        assert isinstance(transport, HttpTransport)
        server = urlsplit(transport._url)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", server.hostname or "")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(file))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(transport._configuration.ssl_ca_cert))
        # A minute in earnest.
        soon = types.SimpleNamespace(datetime=dt.datetime, timedelta=lambda **_: dt.timedelta(milliseconds=200))
        monkeypatch.setattr(incluster_config, "datetime", soon)
        async with await KubeClient.connect() as kube:

            async def status() -> int:
                try:
                    await kube.get(STACK.path(client.namespace))
                except KubeError as error:
                    return error.status
                return 200

            async def is_let_in() -> bool:
                return await status() == 200

            async def is_refused() -> bool:
                return await status() == UNAUTHORIZED

            await eventually(is_let_in)
            file.write_text("")
            await asyncio.sleep(0.3)
            with pytest.raises(Unreachable, match="Token file exists but empty"):
                await kube.get(STACK.path(client.namespace))
            file.write_text(await token(client, second))
            await client.kube.delete(f"{SECRETS}/{first}")
            await eventually(is_let_in)
            await client.kube.delete(f"{SECRETS}/{second}")
            # The API server remembers tokens for some seconds.
            await eventually(is_refused, within=30)
