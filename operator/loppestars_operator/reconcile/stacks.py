"""The LoppestarsStack itself, on the API server: read again, and its status written."""

from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import datetime
from http import HTTPStatus
from typing import Final

import structlog

from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.kinds import STACK, Manifest, ObjectKey
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.kube.events import Recorder
from loppestars_operator.naming import STACK_KIND, StackKey
from loppestars_operator.plan.status import unusable_status
from loppestars_operator.reconcile.status_metrics import record_status
from loppestars_operator.reconcile.status_writer import write_status
from loppestars_operator.spec import Stack, StackStatus

log = structlog.get_logger(__name__)

_MINIMAL_SPEC: Final[Manifest] = {
    "version": "0",
    "database": {"secretRef": {"name": "unknown"}},
    "storage": {"s3": {}},
    "auth": {},
}


class Stacks:
    """Reads stacks and writes their status, and keeps the cache in step."""

    def __init__(
        self, kube: KubeClient, custom: CustomResourceCache, recorder: Recorder, clock: Callable[[], datetime]
    ) -> None:
        self._kube = kube
        self._custom = custom
        self._recorder = recorder
        self._clock = clock

    @property
    def now(self) -> str:
        """The time as conditions have it."""
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    async def fetch(self, key: StackKey) -> Manifest | None:
        """Ask for a stack, as events may be missed or late, and remember what is found."""
        try:
            live = await self._kube.get(STACK.path(key.namespace, key.name))
        except KubeError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._custom.forget_stack(key)
            return None
        self._custom.put_stack(live)
        return live

    async def write(self, stack: Stack, status: StackStatus) -> Stack:
        """Write a status that differs, and return the stack with it."""
        ready = status.condition("Ready")
        record_status(stack, status)
        if _sorted(status) == _sorted(stack.status):
            return stack
        key = ObjectKey(STACK_KIND, *astuple(stack.key))
        live = await write_status(self._kube, STACK, key, stack.uid, status.to_json())
        if live is None:
            self._custom.forget_stack(stack.key)
            return stack
        self._custom.put_stack(live)
        log.info("status_written", stack=str(stack.key), phase=status.phase, reason=ready.reason if ready else None)
        await self._recorder.conditions_changed(stack, status)
        return replace(stack, status=status)

    async def report_defect(self, key: StackKey, error: Exception) -> None:
        """Write into the status of a stack that a pass ended by a defect of ours: silence would look like health."""
        body = self._custom.stack(key)
        if body is not None:
            what = f"{type(error).__name__}: {error}"
            message = f"the operator failed on this stack: {what}; this is a defect, please report it with the log"
            await self.give_up(body, "InternalError", message)

    async def give_up(self, body: Manifest, reason: str, message: str) -> None:
        """Write that no pass can be made on a stack, and why."""
        stack = Stack.parse({**body, "spec": _MINIMAL_SPEC})
        await self.write(stack, unusable_status(stack, reason, message, self.now))


def _sorted(status: StackStatus) -> StackStatus:
    """Return a status with its conditions by type: the API server keeps them in the order they came in first."""
    conditions = sorted(status.conditions or (), key=lambda condition: condition.type)
    return status.model_copy(update={"conditions": conditions})
