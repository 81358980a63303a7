"""Kubernetes events from changes of conditions: one per change, none for what was said minutes ago."""

import secrets
import time
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from loppestars_operator.kinds import EVENT
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.naming import API_VERSION, FIELD_MANAGER, STACK_KIND
from loppestars_operator.spec import Stack, StackStatus

log = structlog.get_logger(__name__)

SILENCE_SECONDS: Final = 600.0
REMEMBERED: Final = 4096
MESSAGE_LIMIT: Final = 1024
# Steps of an install or upgrade; what else is merely under way is in the status.
STEPS: Final = frozenset({"Migrating", "Deploying"})


class Recorder:
    """Writes events; a failure to write one is logged and forgotten."""

    def __init__(self, kube: KubeClient, identity: str) -> None:
        self._kube = kube
        self._identity = identity
        self._said: dict[tuple[str, str, str], float] = {}

    async def conditions_changed(self, stack: Stack, after: StackStatus) -> None:
        """Write what became of Ready and of a canary, and which step an install or upgrade has reached."""
        tried = [status.rollout.canary if status.rollout else None for status in (stack.status, after)]
        if tried[1] and tried[1].step in {"Observed", "Passed"} and (not tried[0] or tried[0].step != tried[1].step):
            await self.say(stack, "Normal", f"Canary{tried[1].step}", tried[1].message)
        before, now = stack.status.condition("Ready"), after.condition("Ready")
        if now is None or (before and (before.status, before.reason) == (now.status, now.reason)):
            return
        stalled = after.condition("Stalled")
        warning = stalled is not None and stalled.status == "True"
        if warning or now.status == "True":
            await self.say(stack, "Warning" if warning else "Normal", now.reason, now.message)
        elif after.phase in STEPS and after.phase != stack.status.phase:
            await self.say(stack, "Normal", after.phase, f"version {stack.spec.version}: {now.message}")

    async def say(self, stack: Stack, kind: str, reason: str, message: str) -> None:
        """Write one event about a stack, unless the same was said within ten minutes."""
        key, now = (stack.uid, reason, message), time.monotonic()
        if now - self._said.get(key, -SILENCE_SECONDS) < SILENCE_SECONDS:
            return
        if len(self._said) >= REMEMBERED:
            self._said = {said: when for said, when in self._said.items() if now - when < SILENCE_SECONDS}
        self._said[key] = now
        try:
            await self._kube.create(EVENT.path(stack.key.namespace), self._body(stack, kind, reason, message))
        except KubeError as error:
            log.warning("event_not_written", stack=str(stack.key), error=error.message)

    def _body(self, stack: Stack, kind: str, reason: str, message: str) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{stack.key.name}.{secrets.token_hex(8)}", "namespace": stack.key.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": STACK_KIND,
                "name": stack.key.name,
                "namespace": stack.key.namespace,
                "uid": stack.uid,
                "resourceVersion": stack.resource_version,
            },
            "type": kind,
            "reason": reason,
            "message": message[:MESSAGE_LIMIT],
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._identity[:128],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
