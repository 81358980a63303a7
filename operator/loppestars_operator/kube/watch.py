"""Our own list and watch of the owned kinds, by label, feeding the store and the work queue.

Kopf watches the two custom resources only: its index start-up is about quadratic, and one forbidden kind ends it. Here
each kind is retried by itself, replaced as a whole at each list, and an add-on's kind begins when its CRD appears.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

import structlog

from loppestars_operator import metrics
from loppestars_operator.cache.owned import CachedObject, OwnedCache, stack_of
from loppestars_operator.kinds import OWNED_KINDS, POD, OwnedKind
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.naming import OWNED_SELECTOR, StackKey

log = structlog.get_logger(__name__)

BACKOFF: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# How long a watch holds before its failures are counted anew, and before its silent end is ordinary.
STEADY_SECONDS: Final = 30.0
MIN_WATCH_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.02


class Watcher:
    """Keeps the store current for every owned kind in the watched namespaces (none named: all of them)."""

    def __init__(
        self, kube: KubeClient, store: OwnedCache, on_change: Callable[[StackKey], None], namespaces: Iterable[str] = ()
    ) -> None:
        self._kube = kube
        self._store = store
        self._on_change = on_change
        self._namespaces: list[str | None] = list(namespaces) if namespaces else [None]
        self._unsynced = {
            (kind.kind, namespace) for kind in (*OWNED_KINDS, POD) for namespace in self._namespaces if not kind.addon
        }
        self._tasks: dict[tuple[str, str | None], asyncio.Task[None]] = {}
        self._synced = asyncio.Event()
        self._listed: set[tuple[str, str | None]] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            self.watch_kinds(kind for kind in (*OWNED_KINDS, POD) if not kind.addon)
            await asyncio.Event().wait()

    def watch_kinds(self, kinds: Iterable[OwnedKind]) -> None:
        """Begin to watch kinds; those already watched are left alone."""
        for kind in kinds:
            for namespace in self._namespaces:
                key = (kind.kind, namespace)
                if key not in self._tasks or self._tasks[key].done():
                    self._tasks[key] = self._group.create_task(self._keep(kind, namespace), name=f"watch {kind.kind}")

    async def wait_synced(self) -> None:
        """Return once every kind that always exists was listed: nothing is judged on half a picture."""
        await self._synced.wait()

    async def wait_listed(self, kinds: Iterable[OwnedKind], seconds: float) -> None:
        """Return once these kinds of add-ons were listed too, or after some seconds: their CRDs may be half there."""
        wanted = {(kind.kind, namespace) for kind in kinds for namespace in self._namespaces}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not wanted <= self._listed:  # noqa: ASYNC110 - once, at the start
                    await asyncio.sleep(LOOK_SECONDS)

    @property
    def unsynced(self) -> list[str]:
        """Kinds that could not be listed yet."""
        return sorted({kind for kind, _ in self._unsynced})

    async def _keep(self, kind: OwnedKind, namespace: str | None) -> None:
        failures = 0
        while True:
            held = 0.0
            try:
                version = await self._list(kind, namespace)
                began = time.monotonic()
                try:
                    await self._follow(kind, namespace, version)
                finally:
                    held = time.monotonic() - began
            except KubeError as error:
                if error.status == HTTPStatus.NOT_FOUND and kind.addon:
                    return  # its CRD is gone; discovery starts the watch again
                # A list that works and a watch that does not, again and again, would cost a list each time.
                failures = 1 if held > STEADY_SECONDS else failures + 1
                if error.status == HTTPStatus.GONE and failures == 1:
                    continue  # an old version is listed anew at once, unless that does not help
                pause = BACKOFF[min(failures, len(BACKOFF)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
                metrics.WATCH_FAILURES.labels(kind.kind).inc()
                log.warning("watch_failed", kind=kind.kind, error=error.message, retry_in=round(pause, 1))
                await asyncio.sleep(pause)

    async def _list(self, kind: OwnedKind, namespace: str | None) -> str:
        listed: list[CachedObject] = []
        version = ""
        async for page in self._kube.pages(kind.path(namespace), {"labelSelector": OWNED_SELECTOR}):
            for item in page["items"]:
                live = {"apiVersion": kind.api_version, "kind": kind.kind, **item}
                if stack := stack_of(live):
                    listed.append(CachedObject.of(live, stack))
            version = page["metadata"]["resourceVersion"]
        self._seen(kind, namespace)
        for stack in self._store.replace(kind.kind, namespace, listed, version):
            self._on_change(stack)
        return version

    async def _follow(self, kind: OwnedKind, namespace: str | None, version: str) -> None:
        """Watch from a version on; the server ends each stream after some minutes, and it is taken up again."""
        while True:
            seconds = str(random.randint(240, 480))  # noqa: S311 - spreads reconnections
            params = {"labelSelector": OWNED_SELECTOR, "resourceVersion": version, "timeoutSeconds": seconds}
            began, before = time.monotonic(), version
            async for event in self._kube.watch(kind.path(namespace), **params):
                live = event["object"]
                version = live["metadata"]["resourceVersion"]
                self._seen(kind, namespace)
                if event["type"] == "BOOKMARK":
                    continue
                forget = event["type"] == "DELETED"
                stack = self._store.remove(live) if forget else self._store.put(live)
                if stack:
                    self._on_change(stack)
            if version == before and time.monotonic() - began < MIN_WATCH_SECONDS:
                raise KubeError(503, "ShortWatch", "the watch ended as soon as it began")

    def _seen(self, kind: OwnedKind, namespace: str | None) -> None:
        metrics.WATCH_SEEN.labels(kind.kind).set(time.time())
        self._listed.add((kind.kind, namespace))
        self._unsynced.discard((kind.kind, namespace))
        if not self._unsynced:
            self._synced.set()
