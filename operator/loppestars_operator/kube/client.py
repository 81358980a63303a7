"""The API server over one aiohttp session.

Credentials are the official client's (in-cluster token with refresh, kubeconfig, exec plugins); calls are plain JSON,
since its generated models cost several times the CPU (see docs/decisions/0041). Every call has a time-out.
"""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from loppestars_operator.naming import FIELD_MANAGER

Json = dict[str, Any]

CALL_TIMEOUT: Final = 10.0
IN_FLIGHT: Final = 16
# Silence longer than this on a watch that sends bookmarks about every minute means a dead connection.
WATCH_SILENCE: Final = 150.0
# Small pages: what a list leaves behind in memory is as large as its largest page, unpacked.
PAGE: Final = "100"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubeError(Exception):
    """The API server refused a call. `status` is the HTTP code, `reason` the API's word for it."""

    def __init__(self, status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes

    @classmethod
    def from_body(cls, status: int, text: str) -> Self:
        """Read the `Status` object that the API server answers with."""
        try:
            body = json.loads(text)
        except ValueError:
            return cls(status, "Unknown", text[:500] or f"HTTP {status}")
        details = body.get("details") or {}
        causes = tuple(cause.get("reason", "") for cause in details.get("causes") or ())
        return cls(status, body.get("reason") or "Unknown", body.get("message") or text[:500], causes)

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed later without anybody changing anything."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status in {408, 409, 429}


class Unreachable(KubeError):
    """The API server did not answer in time, or not at all."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(503, "Unreachable", f"the API server does not answer: {str(cause) or type(cause).__name__}")


class KubeClient:
    """Calls to one API server. Use as an asynchronous context manager, or `await close()`."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._url = configuration.host.rstrip("/")
        connector = aiohttp.TCPConnector(limit=0, ssl=_tls(configuration), keepalive_timeout=60)
        self._session = aiohttp.ClientSession(connector=connector)
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        # Asked before each write; the elector's word in the operator.
        self.may_write: Callable[[], bool] = lambda: True

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> Self:
        """Find the API server: a file that is named, else the pod's ServiceAccount, else KUBECONFIG or ~/.kube/config.

        Raises:
            kubernetes.config.ConfigException: neither is there.
        """
        configuration = Configuration()
        if kubeconfig is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            await load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        return cls(configuration)

    async def close(self) -> None:
        """Drop all connections."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, metadata_only: bool = False) -> Json:
        """Read an object or a collection; `metadata_only` keeps the values of Secrets on the server."""
        return await self._call("GET", path, params=params, accept=_METADATA_ONLY if metadata_only else None)

    async def list_names(self, path: str) -> tuple[set[tuple[str, str]], str]:
        """Return namespace and name of every object in a collection, and the resource version of that list."""
        names: set[tuple[str, str]] = set()
        params = {"limit": PAGE}
        while True:
            page = await self._call("GET", path, params=params, accept=_METADATA_LIST)
            # An empty list of metadata has null for its items.
            names |= {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in page.get("items") or ()}
            if not (following := page["metadata"].get("continue")):
                return names, page["metadata"]["resourceVersion"]
            params["continue"] = following

    async def create(self, path: str, body: Json) -> Json:
        """Create an object in a collection."""
        return await self._call("POST", path, body=body, params={"fieldManager": FIELD_MANAGER})

    async def replace(self, path: str, body: Json, *, timeout: float = CALL_TIMEOUT) -> Json:  # noqa: ASYNC109
        """Replace an object; its resourceVersion makes it safe against others."""
        return await self._call("PUT", path, body=body, params={"fieldManager": FIELD_MANAGER}, timeout=timeout)

    async def apply(
        self, path: str, body: Json, *, manager: str = FIELD_MANAGER, force: bool = True
    ) -> tuple[Json, bool]:
        """Server-side apply: what is rendered is ours, the rest stays as others left it.

        Without `force` fields that others set otherwise are a KubeError 409 with the cause FieldManagerConflict.

        Returns:
            The object as it is now, and whether it was created.
        """
        status, live = await self._exchange(
            "PATCH",
            path,
            body=body,
            params={"fieldManager": manager, "force": "true" if force else "false"},
            content_type="application/apply-patch+yaml",
        )
        return live, status == HTTPStatus.CREATED

    async def edit(self, path: str, changes: Sequence[Json], *, version: str, manager: str) -> Json:
        """Make changes (JSON patch, RFC 6902) to an object as it was in a resource version."""
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        return await self._call(
            "PATCH",
            path,
            body=[test, *changes],
            params={"fieldManager": manager},
            content_type="application/json-patch+json",
        )

    async def delete(self, path: str, *, uid: str | None = None) -> None:
        """Delete in the background, only that incarnation if `uid` is given; an object that is gone is no error."""
        body: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self._call("DELETE", path, body=body)
        except KubeError as error:
            if error.status not in {404, 409}:
                raise

    async def watch(self, path: str, **params: str) -> AsyncIterator[Json]:
        """Yield watch events until the server ends the stream; `ERROR` events are raised as KubeError."""
        query = {**params, "watch": "true", "allowWatchBookmarks": "true"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CALL_TIMEOUT, sock_read=WATCH_SILENCE)
        async with self._answer("GET", path, params=query, timeout=timeout) as answer:
            async for line in _lines(answer.content):
                event: Json = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise KubeError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
                yield event

    async def _call(self, method: str, path: str, **options: Any) -> Json:
        _, body = await self._exchange(method, path, **options)
        return body

    async def _exchange(  # noqa: PLR0913 - the parts of an HTTP call
        self,
        method: str,
        path: str,
        *,
        body: Json | list[Json] | None = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str | None = None,
        timeout: float = CALL_TIMEOUT,  # noqa: ASYNC109 - handed on to aiohttp
    ) -> tuple[int, Json]:
        if method != "GET" and not self.may_write():
            raise KubeError(503, "NotLeading", "this process may have lost the lead, so it writes nothing")
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": content_type, **({"Accept": accept} if accept else {})}
        limit = aiohttp.ClientTimeout(total=timeout)
        async with (
            self._slots,
            self._answer(method, path, params=params, data=data, headers=headers, timeout=limit) as answer,
        ):
            parsed: Json = json.loads(await answer.read())
            return answer.status, parsed

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            # Reads the token's file anew each minute, which may just be being replaced.
            token = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
            merged = {**(headers or {}), **({"Authorization": token} if token else {})}
            async with self._session.request(method, self._url + path, headers=merged, **options) as answer:
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    raise KubeError.from_body(answer.status, await answer.text())
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError, ConfigException) as error:
            raise Unreachable(error) from error


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream into lines of any length: objects may exceed the stream's own line limit."""
    rest = b""
    async for chunk in stream.iter_any():
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if line:
                yield line


def _tls(configuration: Configuration) -> ssl.SSLContext | bool:
    if not configuration.host.startswith("https"):
        return False
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
