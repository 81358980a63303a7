"""The running operator: watches feed the queue, workers make passes. Everything here runs in the leader only."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import kopf
import structlog
from kopf import OperatorSettings as KopfSettings

from loppestars_operator import metrics
from loppestars_operator.cache.custom import CustomResourceCache
from loppestars_operator.cache.owned import OwnedCache
from loppestars_operator.cache.packing import Body
from loppestars_operator.cluster import cluster_facts, policy_of
from loppestars_operator.kinds import CRAWL, STACK
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.kube.discovery import POLL_SECONDS, Discovery
from loppestars_operator.kube.events import Recorder
from loppestars_operator.kube.watch import Watcher
from loppestars_operator.naming import (
    GROUP,
    OPERATOR_ANNOTATION,
    RECONCILE_ANNOTATION,
    RETRY_ANNOTATION,
    VERSION,
    StackKey,
    digest,
)
from loppestars_operator.reconcile.observing import Unfinished
from loppestars_operator.reconcile.reconciler import Reconciler
from loppestars_operator.reconcile.secrets import SecretReader
from loppestars_operator.settings import OperatorSettings
from loppestars_operator.work_queue import MAX_RETRY_SECONDS, SOON, TIMED_OUT_RETRY_SECONDS, WorkQueue

log = structlog.get_logger(__name__)
# Kopf tells each event it hands over, with all its settings; what counts is logged by the pass.
logging.getLogger("kopf").setLevel(logging.WARNING)

PASS_TIMEOUT: Final = 60.0
GATHER_SECONDS: Final = 0.03
CRD_POLL_SECONDS: Final = 3.0
NAMESPACE_POLL_SECONDS: Final = 15.0
ADDON_LIST_SECONDS: Final = 5.0


class Controller:
    """Put together once, run until cancelled."""

    def __init__(self, kube: KubeClient, settings: OperatorSettings, identity: str, on_end: Callable[[], None]) -> None:
        self._kube = kube
        self._on_end = on_end
        self._settings = settings
        self._queue = WorkQueue()
        self._resources = CustomResourceCache()
        store = OwnedCache()
        self._discovery = Discovery(kube)
        self._store = store
        self._namespaces = settings.watch_namespaces
        self._watcher: Watcher | None = None
        self._asked: dict[StackKey, object] = {}
        self._reconciler = Reconciler(
            kube,
            store,
            self._resources,
            self._discovery,
            Recorder(kube, identity),
            SecretReader(kube, enabled=settings.read_secrets, reserved=settings.reserve_secrets),
            policy=policy_of(settings),
            operator=f"{settings.lease_namespace}/{settings.lease_name}",
            cluster=cluster_facts(settings),
        )
        self._missing = "the custom resources; install the chart loppestars-crds"

    @property
    def missing(self) -> str:
        """What is waited for before the first pass; empty once there are passes."""
        if self._missing and self._watcher:
            return f"lists of {', '.join(self._watcher.unsynced)}"
        return self._missing

    async def run(self) -> None:
        """List everything first, so that no pass judges half a picture, then take events and work."""
        await self._wait_for_definitions()
        self._namespaces = await self._wait_for_namespaces()
        await self._discovery.refresh()
        # The events of one moment, as a Deployment's pods, cause one pass.
        add_soon = partial(self._queue.add_later, seconds=GATHER_SECONDS)
        watcher = self._watcher = Watcher(self._kube, self._store, add_soon, self._namespaces)
        async with asyncio.TaskGroup() as group:
            group.create_task(watcher.run(), name="watches")
            await watcher.wait_synced()
            addons = self._discovery.available_kinds()
            watcher.watch_kinds(addons)
            await watcher.wait_listed(addons, ADDON_LIST_SECONDS)
            group.create_task(self._follow_discovery(watcher), name="discovery")
            group.create_task(self._follow_namespaces(), name="namespaces")
            group.create_task(self._resync(), name="resync")
            group.create_task(self._run_kopf(), name="kopf")
            group.create_task(self._queue.work(self._handle, self._settings.workers), name="workers")
            self._missing = ""
            log.info("reconciling_started", namespaces=self._namespaces or "all")

    async def _handle(self, key: StackKey) -> None:
        """Make one pass; whatever goes wrong is tried again later and never reaches the other stacks."""
        began, result = time.perf_counter(), "succeeded"
        try:
            async with asyncio.timeout(PASS_TIMEOUT):
                look_again = await self._reconciler.reconcile(key)
        except Unfinished as error:
            result = "unfinished"
            # What hangs is not tried soon again: it takes the place of others.
            longest = SOON if error.transient and not error.timed_out else MAX_RETRY_SECONDS
            seconds = self._queue.retry(key, longest, least=TIMED_OUT_RETRY_SECONDS if error.timed_out else 0)
            log.info("pass_unfinished", stack=str(key), reason=str(error), retry_in=round(seconds, 1))
        except (KubeError, TimeoutError) as error:
            result = "failed"
            seconds = self._queue.retry(key, SOON)
            log.warning("pass_failed", stack=str(key), error=str(error), retry_in=round(seconds, 1))
        except Exception as error:
            result = "crashed"
            log.exception("pass_crashed", stack=str(key), retry_in=round(self._queue.retry(key), 1))
            with contextlib.suppress(KubeError):
                await self._reconciler.report_defect(key, error)
        else:
            self._queue.forget(key)
            if look_again is not None:
                self._queue.add_later(key, look_again)
        metrics.RECONCILES.labels(result).inc()
        metrics.RECONCILE_SECONDS.observe(time.perf_counter() - began)

    async def _wait_for_definitions(self) -> None:
        """Wait for our own CRDs: without them there is nothing to watch."""
        wanted = {STACK.plural, CRAWL.plural}
        while True:
            try:
                listed = await self._kube.get(f"/apis/{GROUP}/{VERSION}")
                if wanted <= {resource["name"] for resource in listed["resources"]}:
                    return
                log.warning("definitions_missing", remedy="install the chart loppestars-crds")
            except KubeError as error:
                log.warning("definitions_missing", remedy="install the chart loppestars-crds", error=error.message)
            await asyncio.sleep(CRD_POLL_SECONDS)

    async def _wait_for_namespaces(self) -> tuple[str, ...]:
        """Return the chosen namespaces that may be read, once one may: one that is gone must not stop the others."""
        self._missing = f"a right to read any of the namespaces {', '.join(self._settings.watch_namespaces)}"
        while self._settings.watch_namespaces:
            readable = [
                namespace for namespace in self._settings.watch_namespaces if await self._is_readable(namespace)
            ]
            if readable:
                return tuple(readable)
            await asyncio.sleep(CRD_POLL_SECONDS)
        return ()

    async def _is_readable(self, namespace: str) -> bool:
        try:
            await self._kube.get(STACK.path(namespace), {"limit": "1"})
        except KubeError as error:
            log.warning("namespace_skipped", namespace=namespace, error=error.message)
            return error.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
        return True

    async def _follow_namespaces(self) -> None:
        """End the process when a namespace that was left out may be read: the next one begins with it."""
        missing = [namespace for namespace in self._settings.watch_namespaces if namespace not in self._namespaces]
        while missing:
            await asyncio.sleep(NAMESPACE_POLL_SECONDS)
            if any([await self._is_readable(namespace) for namespace in missing]):
                log.info("namespace_readable")
                self._on_end()
                return

    async def _follow_discovery(self, watcher: Watcher) -> None:
        """Take up add-ons whose CRDs appear, and render without those that go."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if await self._discovery.refresh():
                log.info("addons_changed", groups=sorted(self._discovery.groups))
                watcher.watch_kinds(self._discovery.available_kinds())
                self._add_all()

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_seconds)
            try:
                # A deletion may have fallen into a gap of kopf's watches: it lists again and reports no absence.
                for namespace in self._namespaces or (None,):
                    names, version = await self._kube.list_names(STACK.path(namespace))
                    gone = self._resources.keep_stacks(namespace, {StackKey(*name) for name in names}, version)
                    names, version = await self._kube.list_names(CRAWL.path(namespace))
                    for key in gone | self._resources.keep_crawls(namespace, names, version):
                        log.warning("deletion_missed", stack=str(key))
                        self._queue.add(key)
            except KubeError as error:
                log.warning("resync_incomplete", error=error.message)
            self._add_all()

    def _add_all(self) -> None:
        for key in self._resources.all_keys():
            self._queue.add(key)

    async def _run_kopf(self) -> None:
        """Let kopf watch the two custom resources: its handlers only put keys on our queue."""
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        def login(**arguments: Any) -> kopf.ConnectionInfo | None:
            return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

        @kopf.on.event(GROUP, VERSION, STACK.plural, registry=registry)
        async def on_stack(event: Any, **_: Any) -> None:
            self._on_stack_event(dict(event["object"]), gone=event["type"] == "DELETED")

        @kopf.on.event(GROUP, VERSION, CRAWL.plural, registry=registry)
        async def on_crawl(event: Any, **_: Any) -> None:
            body = dict(event["object"])
            gone = event["type"] == "DELETED"
            self._queue.add(self._resources.forget_crawl(body) if gone else self._resources.put_crawl(body))

        namespaces = self._namespaces
        await kopf.operator(
            registry=registry,
            settings=kopf_settings(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=list(namespaces),
        )
        # It takes the signals of the process for itself and then returns: the rest has to end as well.
        self._on_end()

    def _on_stack_event(self, body: Body, *, gone: bool) -> None:
        """Ask for a pass if anybody asks for one.

        A change of the status alone does not: mostly it is our own, and where it tells of an error that is another one
        each time, passes would follow on each other without end. Somebody else's is put right a little later.
        """
        meta = body["metadata"]
        key = StackKey(meta["namespace"], meta["name"])
        if gone:
            self._asked.pop(key, None)
            self._resources.forget_stack(key)
            self._queue.add(key)
            return
        known = self._resources.has_stack(key, meta["resourceVersion"])
        self._resources.put_stack(body)
        asks = requested_generation(body)
        if self._asked.get(key) != asks:
            self._asked[key] = asks
            self._queue.add(key)
        elif not known:
            self._queue.add_later(key, SOON)


def requested_generation(body: Body) -> object:
    """Return everything of a stack that asks for a pass: all except what this operator writes into the status."""
    meta = body["metadata"]
    annotations = meta.get("annotations") or {}
    asked = [annotations.get(name) for name in (RECONCILE_ANNOTATION, RETRY_ANNOTATION, OPERATOR_ANNOTATION)]
    # Another operator that takes the stack over writes its name into the status.
    operator = (body.get("status") or {}).get("operator")
    return meta["uid"], meta.get("generation"), "deletionTimestamp" in meta, digest(asked), operator


def kopf_settings() -> KopfSettings:
    """Return kopf's settings: it writes nothing, scans nothing, and retries within seconds."""
    settings = KopfSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 15
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = (0.5, 1, 2, 5)
    settings.queueing.error_delays = (1, 1, 2, 5, 10, 30)
    settings.process.ultimate_exiting_timeout = None
    return settings
