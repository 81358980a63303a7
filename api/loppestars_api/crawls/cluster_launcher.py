"""Crawls as Crawl resources in a cluster: the operator makes a Job of each and watches over it.

The API may create, read and patch `crawls` in its own namespace and nothing else. The package `kubernetes` is only
imported where a cluster is: it costs tens of megabytes.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog

from loppestars_api.crawls.launcher import CrawlOrder, LaunchFailed

log = structlog.get_logger(__name__)

GROUP: Final = "loppestars.dev"
VERSION: Final = "v1alpha1"
PLURAL: Final = "crawls"
NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
TIMEOUT_SECONDS: Final = 10


class ClusterCrawlLauncher:
    """`stack` is the LoppestarsStack that crawls belong to; `namespace` is the pod's own where empty.

    Args:
        connect: makes the client of custom resources; by default from the pod's service account.
    """

    def __init__(self, *, stack: str, namespace: str = "", connect: Callable[[], Any] | None = None) -> None:
        self._stack = stack
        self._namespace = namespace
        self._connect = connect or connect_in_cluster
        self._known_client: Any = None

    async def launch(self, order: CrawlOrder) -> None:
        resource = crawl_resource(order, self._stack)

        def create() -> None:
            self._client().create_namespaced_custom_object(
                GROUP, VERSION, self._in_namespace(), PLURAL, resource, _request_timeout=TIMEOUT_SECONDS
            )

        # The name holds the run's id: a repeated call, after an answer that was lost, finds its own resource.
        await _in_thread(create, fine=HTTPStatus.CONFLICT)
        log.info("crawl_resource_created", run_id=str(order.run_id), name=resource["metadata"]["name"])

    async def cancel(self, run_id: UUID) -> None:
        def patch() -> None:
            self._client().patch_namespaced_custom_object(
                GROUP,
                VERSION,
                self._in_namespace(),
                PLURAL,
                resource_name(run_id),
                {"spec": {"cancel": True}},
                _request_timeout=TIMEOUT_SECONDS,
                _content_type="application/merge-patch+json",
            )

        try:
            await _in_thread(patch, fine=HTTPStatus.NOT_FOUND)
        except LaunchFailed as failure:
            # The record asks the crawl to stop as well, and the crawl looks at it.
            log.warning("crawl_resource_not_cancelled", run_id=str(run_id), reason=str(failure))

    async def close(self) -> None:
        """Crawls in the cluster go on without this process."""

    def _client(self) -> Any:  # noqa: ANN401 - the package has no types
        if self._known_client is None:
            self._known_client = self._connect()
        return self._known_client

    def _in_namespace(self) -> str:
        return self._namespace or NAMESPACE_FILE.read_text().strip()


def connect_in_cluster() -> Any:  # noqa: ANN401 - the package has no types
    """Return a client with the pod's service account, whose token is read again when it has been renewed."""
    from kubernetes import client, config  # noqa: PLC0415 - see the module's docstring

    config.load_incluster_config()  # type: ignore[no-untyped-call]
    return client.CustomObjectsApi()


def resource_name(run_id: UUID) -> str:
    """Return the name of the Crawl of a run."""
    return f"crawl-{run_id}"


def crawl_resource(order: CrawlOrder, stack: str) -> dict[str, Any]:
    """Return the Crawl of `order`."""
    spec: dict[str, Any] = {"stackRef": {"name": stack}, "runId": str(order.run_id)}
    if order.sources:
        spec["sources"] = list(order.sources)
    if order.limit is not None:
        spec["limit"] = order.limit
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Crawl",
        "metadata": {"name": resource_name(order.run_id), "labels": {"app.kubernetes.io/created-by": "loppestars-api"}},
        "spec": spec,
    }


async def _in_thread(action: Callable[[], None], *, fine: int) -> None:
    """Run a blocking call off the event loop; an answer with status `fine` is no error."""
    try:
        await asyncio.to_thread(action)
    except Exception as error:  # the package is only known where it is used: its errors are told apart by `status`
        if getattr(error, "status", None) == fine:
            return
        reason = getattr(error, "reason", None) or type(error).__name__
        raise LaunchFailed(f"the cluster refused or did not answer: {reason}") from error
