"""Which add-ons the cluster has. CRDs come and go, so the groups are asked for again and again."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import structlog

from loppestars_operator.kinds import OWNED_KINDS, OwnedKind
from loppestars_operator.kube.client import KubeClient, KubeError

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 15.0


# Where these are served, each namespace has its own user IDs, and pods that ask for others are refused.
OPENSHIFT: Final = ("security.openshift.io/v1", ("securitycontextconstraints",))


class Discovery:
    """The add-on groups whose kinds are all served; unchanged while the API server gives no clear answer."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube
        self.groups: frozenset[str] = frozenset()
        self.assigns_ids = False

    async def refresh(self) -> bool:
        """Ask again; return whether anything changed."""
        kinds: dict[str, list[OwnedKind]] = {}
        for kind in OWNED_KINDS:
            if kind.addon:
                kinds.setdefault(kind.api_version, []).append(kind)
        try:
            served = {
                wanted[0].group
                for version, wanted in kinds.items()
                if await self._serves(version, [kind.plural for kind in wanted])
            }
            assigns_ids = await self._serves(*OPENSHIFT)
        except KubeError as error:
            # Nothing is rendered differently, let alone pruned, on a partial answer.
            log.warning("discovery_failed", error=error.message)
            return False
        present = frozenset(served)
        changed = (present, assigns_ids) != (self.groups, self.assigns_ids)
        self.groups, self.assigns_ids = present, assigns_ids
        return changed

    def available_kinds(self) -> list[OwnedKind]:
        """Return the add-on kinds that can be watched."""
        return [kind for kind in OWNED_KINDS if kind.addon and kind.group in self.groups]

    async def _serves(self, version: str, plurals: Iterable[str]) -> bool:
        try:
            listed = await self._kube.get(f"/apis/{version}")
        except KubeError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return {*plurals} <= {resource["name"] for resource in listed["resources"]}
