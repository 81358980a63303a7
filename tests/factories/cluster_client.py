"""Reading and changing a live cluster in tests, with patience."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loppestars_operator.kinds import CRAWL, STACK, Manifest, OwnedKind
from loppestars_operator.kube.client import KubeClient, KubeError
from tests.factories.stacks import sample

NOT_FOUND = 404


class Client:
    """An administrator's view of one namespace."""

    def __init__(self, kube: KubeClient, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace

    async def apply_stack(self, name: str = "fair", **spec: Any) -> Manifest:
        """Create or change a minimal stack; `spec` are top-level fields."""
        body = sample("01-minimal")
        body["metadata"] = {"name": name, "namespace": self.namespace}
        body["spec"] |= spec
        live, _ = await self.kube.apply(STACK.path(self.namespace, name), body, manager="tests")
        return live

    async def get(self, kind: OwnedKind, name: str) -> Manifest | None:
        try:
            return await self.kube.get(kind.path(self.namespace, name))
        except KubeError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def list(self, kind: OwnedKind) -> list[Manifest]:
        items: list[Manifest] = (await self.kube.get(kind.path(self.namespace)))["items"]
        return items

    async def patch(self, kind: OwnedKind, name: str, body: Manifest, *, manager: str = "tests") -> Manifest:
        """A merge patch, as kubectl edit and most controllers write."""
        return await self.kube.call(
            "PATCH",
            kind.path(self.namespace, name),
            body=body,
            params={"fieldManager": manager},
            content_type="application/merge-patch+json",
        )

    async def delete(self, kind: OwnedKind, name: str) -> None:
        await self.kube.delete(kind.path(self.namespace, name))

    async def annotate(self, name: str, **annotations: str) -> None:
        values = {f"loppestars.dev/{key}": value for key, value in annotations.items()}
        await self.patch(STACK, name, {"metadata": {"annotations": values}})

    async def stack_when(
        self, check: Callable[[dict[str, Any]], object], name: str = "fair", within: float = 30
    ) -> dict[str, Any]:
        """The stack's status once `check` holds of it."""
        return await self._when(STACK, name, check, within)

    async def ready(self, name: str = "fair", within: float = 30) -> dict[str, Any]:
        return await self.stack_when(lambda status: condition(status, "Ready")["status"] == "True", name, within)

    async def crawl_when(
        self, name: str, check: Callable[[dict[str, Any]], object], within: float = 20
    ) -> dict[str, Any]:
        return await self._when(CRAWL, name, check, within)

    async def _when(
        self, kind: OwnedKind, name: str, check: Callable[[dict[str, Any]], object], within: float
    ) -> dict[str, Any]:
        deadline = time.monotonic() + within
        status: dict[str, Any] = {}
        while time.monotonic() < deadline:
            live = await self.get(kind, name)
            status = (live or {}).get("status") or {}
            if live and _holds(check, status):
                return status
            await asyncio.sleep(0.05)
        raise AssertionError(f"{kind.kind} {name} did not get there within {within} s: {json.dumps(status, indent=1)}")


def _holds(check: Callable[[dict[str, Any]], object], status: dict[str, Any]) -> bool:
    try:
        return bool(check(status))
    except (KeyError, StopIteration, IndexError, TypeError):
        return False


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(condition for condition in status["conditions"] if condition["type"] == kind)
    return found


async def eventually(check: Callable[[], Any], within: float = 10) -> Any:
    """Await `check()` until it gives something true."""
    deadline = time.monotonic() + within
    while True:
        value = await check()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {within} s"
        await asyncio.sleep(0.05)


class AuditLog:
    """The writes that a user made since a mark."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        return self.path.stat().st_size

    def writes(self, user: str, since: int = 0, namespace: str | None = None) -> list[str]:
        """Successful and refused writes, Leases aside, as `verb resource/name`."""
        with self.path.open() as log:
            log.seek(since)
            entries = [json.loads(line) for line in log if line.endswith("\n")]
        return [
            f"{entry['verb']} {reference['resource']}{subresource(reference)}/{reference.get('name', '')}"
            for entry in entries
            if (reference := entry["objectRef"])["resource"] != "leases"
            and entry["user"]["username"] == user
            and namespace in (None, reference.get("namespace"))
        ]


def subresource(reference: dict[str, Any]) -> str:
    return f"/{reference['subresource']}" if "subresource" in reference else ""
