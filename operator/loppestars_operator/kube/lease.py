"""Leader election by a Lease. Any doubt about holding it ends the process: another takes over.

The client's own elector was tried and has no release, and can hang on a silent socket; kopf's peering is no election.
Times follow client-go's rule: the holder gives up before a standby may take over.
"""

import asyncio
import contextlib
import secrets
import socket
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import structlog

from loppestars_operator import metrics
from loppestars_operator.kinds import LEASE
from loppestars_operator.kube.client import KubeClient, KubeError

log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 10
RENEW_DEADLINE: Final = 6.0
RETRY_SECONDS: Final = 2.0
CALL_SECONDS: Final = 2.0
RELEASE_TRIES: Final = 3
RELEASE_PAUSE: Final = 0.2


class LeaseLost(Exception):
    """The Lease could not be renewed in time, or somebody else holds it."""


class LeaderElector:
    """Acquires, renews and releases one Lease. Expiry is measured by our own clock, never by the holder's."""

    def __init__(self, kube: KubeClient, namespace: str, name: str, identity: str | None = None) -> None:
        self._kube = kube
        self._namespace = namespace
        self._name = name
        self._path = LEASE.path(namespace, name)
        self.identity = identity or f"{socket.gethostname()}_{secrets.token_hex(4)}"
        self._lease: dict[str, Any] | None = None
        self._changed_at = time.monotonic()
        self._renewed_at = 0.0

    async def acquire(self) -> None:
        """Return once the Lease is ours."""
        while True:
            try:
                if await self._try():
                    metrics.LEADER.set(1)
                    log.info("lease_acquired", identity=self.identity)
                    return
            except KubeError as error:
                log.warning("lease_unreachable", error=error.message)
            await asyncio.sleep(RETRY_SECONDS)

    async def hold(self) -> None:
        """Renew until cancelled.

        Raises:
            LeaseLost: no renewal within the deadline, or another holder.
        """
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if (left := self._renewed_at + RENEW_DEADLINE - time.monotonic()) <= 0:
                raise LeaseLost("the process was held up for longer than the Lease allows")
            try:
                async with asyncio.timeout(left):
                    if not await self._try():
                        raise LeaseLost("another process holds the lease")
            except (KubeError, TimeoutError) as error:
                if time.monotonic() - self._renewed_at >= RENEW_DEADLINE:
                    raise LeaseLost(f"not renewed for {RENEW_DEADLINE:.0f} s: {error}") from error

    def is_held(self) -> bool:
        """Return whether the Lease cannot have run out yet: after that nothing may be written, not even on exit."""
        return time.monotonic() - self._renewed_at < LEASE_SECONDS

    async def release(self) -> None:
        """Let a standby take over at once; failing to is no error, the Lease runs out by itself."""
        metrics.LEADER.set(0)
        for _ in range(RELEASE_TRIES):
            with contextlib.suppress(KubeError):
                # Read anew: a renewal may have been cut off after the server had taken it.
                lease = await self._kube.get(self._path)
                if lease["spec"].get("holderIdentity") != self.identity:
                    return
                body = {**lease, "spec": {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}}
                await self._kube.replace(self._path, body, seconds=CALL_SECONDS)
                return
            # Such a renewal may also be taken between the two calls.
            await asyncio.sleep(RELEASE_PAUSE)

    async def _try(self) -> bool:
        """Attempt once to create, take over or renew."""
        began = time.monotonic()
        lease = await self._read()
        spec = (lease or {}).get("spec") or {}
        holder = spec.get("holderIdentity")
        expired = began - self._changed_at > (spec.get("leaseDurationSeconds") or LEASE_SECONDS)
        if lease is None:
            self._lease = await self._kube.create(LEASE.path(self._namespace), self._body(None))
        elif not holder or holder == self.identity or expired:
            self._lease = await self._kube.replace(self._path, self._body(lease), seconds=CALL_SECONDS)
        else:
            return False
        self._renewed_at = began
        return True

    async def _read(self) -> dict[str, Any] | None:
        try:
            lease = await self._kube.get(self._path)
        except KubeError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        if self._lease is None or lease["metadata"]["resourceVersion"] != self._lease["metadata"]["resourceVersion"]:
            self._changed_at = time.monotonic()
            self._lease = lease
        return lease

    def _body(self, lease: dict[str, Any] | None) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = (lease or {}).get("spec") or {}
        same = old.get("holderIdentity") == self.identity
        metadata = lease["metadata"] if lease else {"name": self._name, "namespace": self._namespace}
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": metadata,
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": old.get("acquireTime") if same else now,
                "renewTime": now,
                "leaseTransitions": old.get("leaseTransitions", 0) + (0 if same or lease is None else 1),
            },
        }
