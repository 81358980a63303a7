"""Which operator a stack belongs to: two that reconcile the same one would undo each other's work without end."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from loppestars_operator.kinds import LEASE
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.naming import OPERATOR_ANNOTATION
from loppestars_operator.spec import Stack

# A Lease that was not renewed for so long belongs to an operator that is gone.
GONE_AFTER: Final = timedelta(seconds=60)


class Ownership:
    """Compares the operator in a stack's status, namespace and Lease, with this one."""

    def __init__(self, kube: KubeClient, operator: str | None) -> None:
        self._kube = kube
        self.operator = operator

    async def conflict(self, stack: Stack, now: datetime) -> str | None:
        """Return why this operator may not touch the stack, or None where it may."""
        other = stack.status.operator
        if self.operator is None or other in {None, self.operator} or other is None:
            return None
        if stack.annotations.get(OPERATOR_ANNOTATION) == self.operator:
            return None
        if not await self._is_alive(other, now):
            return None
        return (
            f"operator {other} reconciles this stack, so {self.operator} leaves it alone; remove one of them, or set "
            f"the annotation {OPERATOR_ANNOTATION} to the one that shall have it"
        )

    async def _is_alive(self, operator: str, now: datetime) -> bool:
        namespace, _, name = operator.partition("/")
        try:
            lease = await self._kube.get(LEASE.path(namespace, name))
        except KubeError as error:
            # What cannot be read may be alive.
            return error.status != HTTPStatus.NOT_FOUND
        spec = lease.get("spec") or {}
        renewed = spec.get("renewTime")
        if not spec.get("holderIdentity") or not renewed:
            return False
        return now - datetime.fromisoformat(renewed) < GONE_AFTER
