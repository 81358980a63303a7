"""A mistake in the operator itself: told in the status, kept to the stack it strikes, over once it is mended."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from loppestars_operator import reconciling
from loppestars_operator.controller import Controller
from loppestars_operator.kube import Kube
from loppestars_operator.settings import OperatorSettings
from tests.factories.cluster_client import Client, condition
from tests.factories.operator_process import kubectl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from k8s.local.control_plane import ControlPlane
    from loppestars_operator.rendering import Blueprint

pytestmark = pytest.mark.cluster


@contextlib.asynccontextmanager
async def operator_in_this_process(kube: Kube, namespace: str) -> AsyncIterator[None]:
    """The controller without an election, for one namespace."""
    ended = asyncio.Event()
    settings = OperatorSettings(watch_namespaces=(namespace,))
    task = asyncio.create_task(Controller(kube, settings, "tests", ended.set).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ExceptionGroup):
            await task


@pytest.fixture
async def lone_client(with_addons: ControlPlane) -> AsyncIterator[Client]:
    """An administrator in a namespace that no other operator looks at."""
    namespace = f"lone-{uuid.uuid4().hex[:8]}"
    assert kubectl(with_addons, "create", "namespace", namespace).returncode == 0
    async with await Kube.connect(str(with_addons.kubeconfig)) as kube:
        yield Client(kube, namespace)


async def test_defect_is_told_and_strikes_one_stack_only(
    lone_client: Client, with_addons: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence would look like health: the stack's last status said Ready."""
    render = reconciling.render

    def failing(blueprint: Blueprint) -> Any:
        if blueprint.name == "struck" and blueprint.spec.version == "0.1.1":
            raise ValueError("a mistake of ours")
        return render(blueprint)

    monkeypatch.setattr(reconciling, "render", failing)
    monkeypatch.setenv("KUBECONFIG", str(with_addons.kubeconfig))
    async with operator_in_this_process(lone_client.kube, lone_client.namespace):
        await lone_client.apply_stack("struck")
        await lone_client.ready("struck")
        await lone_client.apply_stack("struck", version="0.1.1")
        status = await lone_client.stack_when(lambda status: status["phase"] == "Stalled", "struck")
        assert condition(status, "Stalled")["reason"] == "InternalError"
        assert "ValueError: a mistake of ours; that is a defect" in condition(status, "Ready")["message"]
        assert condition(status, "ApiAvailable")["status"] == "True", "what is known of the parts is kept"
        await lone_client.apply_stack("spared")
        await lone_client.ready("spared")
        monkeypatch.setattr(reconciling, "render", render)
        await lone_client.annotate("struck", reconcile="1")
        assert (await lone_client.ready("struck"))["version"] == "0.1.1"
