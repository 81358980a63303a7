"""Sleep and waking with real controllers: Deployments, autoscalers and pods."""

import pytest

from loppestars_operator.kinds import Manifest, kind_named
from tests.factories.cluster_client import Client, eventually
from tests.factories.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster
DEPLOYMENT, HPA, POD = kind_named("Deployment"), kind_named("HorizontalPodAutoscaler"), kind_named("Pod")


class TestHibernation:
    """Sleep and waking with real controllers."""

    async def test_sleeps_and_wakes_as_it_was(self, client: Client, operator: OperatorProcess) -> None:
        """No pods, then the number that the autoscaler had chosen, of the same templates."""
        await client.apply_stack()
        await client.ready()
        await eventually(lambda: client.list(HPA))
        await client.patch(DEPLOYMENT, "fair-api", {"spec": {"replicas": 4}})

        async def api() -> Manifest:
            return await client.get(DEPLOYMENT, "fair-api") or {}

        async def four() -> bool:
            return bool((await api())["status"].get("readyReplicas") == 4)

        await eventually(four, within=30)
        template = (await api())["spec"]["template"]
        await client.apply_stack(hibernated=True)
        await client.stack_when(lambda status: status["phase"] == "Hibernated", within=40)
        assert not [pod for pod in await client.list(POD) if pod["status"]["phase"] == "Running"]
        assert not await client.list(HPA)
        await client.apply_stack(hibernated=False)
        status = await client.stack_when(lambda status: status["phase"] == "Ready", within=40)
        assert next(part for part in status["components"] if part["name"] == "api")["desired"] == 4
        assert (await api())["spec"]["template"] == template
        assert len(await client.list(HPA)) == 2
