"""A mistake in the operator itself: told in the status, kept to the stack it strikes, over once it is mended."""

from typing import Any

import pytest

from loppestars_operator.reconcile import reconciler
from loppestars_operator.rendering import RenderContext
from tests.factories.cluster_client import Client, condition
from tests.factories.operator_process import operator_in_this_process

pytestmark = pytest.mark.cluster


class TestDefects:
    """A mistake in the operator itself: told in the status, kept to the stack it strikes, over once it is mended."""

    async def test_defect_is_told_and_strikes_one_stack_only(
        self, lone_client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Silence would look like health: the stack's last status said Ready."""
        render = reconciler.render

        def failing(context: RenderContext) -> Any:
            if context.name == "struck" and context.spec.version == "0.1.1":
                raise ValueError("a mistake of ours")
            return render(context)

        monkeypatch.setattr(reconciler, "render", failing)
        async with operator_in_this_process(lone_client.kube, lone_client.namespace):
            await lone_client.apply_stack("struck")
            await lone_client.ready("struck")
            await lone_client.apply_stack("struck", version="0.1.1")
            status = await lone_client.stack_when(lambda status: status["phase"] == "Stalled", "struck")
            assert condition(status, "Stalled")["reason"] == "InternalError"
            assert "ValueError: a mistake of ours; this is a defect" in condition(status, "Ready")["message"]
            assert condition(status, "ApiAvailable")["status"] == "True", "what is known of the parts is kept"
            await lone_client.apply_stack("spared")
            await lone_client.ready("spared")
            monkeypatch.setattr(reconciler, "render", render)
            await lone_client.annotate("struck", reconcile="1")
            assert (await lone_client.ready("struck"))["version"] == "0.1.1"
