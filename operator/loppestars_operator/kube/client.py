"""Calls to the API server as plain JSON.

The official client's generated models cost several times the CPU (see docs/decisions/0041). Every call has a time-out.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self

from loppestars_operator.kube.transport import HttpTransport, NoAnswer, Request, Response, Transport
from loppestars_operator.naming import FIELD_MANAGER

Json = dict[str, Any]

CALL_SECONDS: Final = 10.0
MAX_IN_FLIGHT: Final = 16
# A call that takes longer than this waits for a webhook rather than loads the API server: its slot goes to another.
SLOT_SECONDS: Final = 1.0
# Small pages: what a list leaves behind in memory is as large as its largest page, unpacked.
PAGE_SIZE: Final = "100"
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_TRANSIENT: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})


class KubeError(Exception):
    """The API server refused a call. `status` is the HTTP status, `reason` the API's word for it."""

    def __init__(self, status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.causes = causes

    @classmethod
    def from_response(cls, response: Response) -> Self:
        """Read the `Status` object that the API server answers with."""
        text = response.body.decode(errors="replace")
        try:
            body = json.loads(text)
            details = body.get("details") or {}
        except (ValueError, AttributeError):
            return cls(response.status, "Unknown", text[:500] or f"HTTP {response.status}")
        causes = tuple(cause.get("reason", "") for cause in details.get("causes") or ())
        return cls(response.status, body.get("reason") or "Unknown", body.get("message") or text[:500], causes)

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed later without any change."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status in _TRANSIENT


class Unreachable(KubeError):
    """The API server did not answer in time, not at all, or something else answered in its place."""

    def __init__(self, why: str) -> None:
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, "Unreachable", f"the API server does not answer: {why}")


class KubeClient:
    """Calls to one API server. Use as an asynchronous context manager, or `await close()`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        # Asked directly before each write; the elector's answer in the operator.
        self.may_write: Callable[[], bool] = lambda: True

    @classmethod
    async def connect(cls, kubeconfig: str | None = None) -> Self:
        """Return a client of the API server that `HttpTransport.connect` finds."""
        return cls(await HttpTransport.connect(kubeconfig))

    async def close(self) -> None:
        """Drop all connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: str | None = None) -> Json:
        """Read an object or a collection; `accept=METADATA` keeps the values of Secrets on the server."""
        return await self.call("GET", path, params=params, accept=accept)

    async def pages(
        self, path: str, params: Mapping[str, str] | None = None, *, accept: str | None = None
    ) -> AsyncIterator[Json]:
        """Yield the pages of a collection; the last one's resource version is the list's."""
        query = {**(params or {}), "limit": PAGE_SIZE}
        while True:
            page = await self.get(path, query, accept=accept)
            # An empty list of metadata has null for its items.
            yield {**page, "items": page.get("items") or []}
            if not (following := page["metadata"].get("continue")):
                return
            query["continue"] = following

    async def list_names(self, path: str) -> tuple[set[tuple[str, str]], str]:
        """Return namespace and name of every object in a collection, and the resource version of that list."""
        names: set[tuple[str, str]] = set()
        version = ""
        async for page in self.pages(path, accept=METADATA_LIST):
            names |= {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in page["items"]}
            version = page["metadata"]["resourceVersion"]
        return names, version

    async def create(self, path: str, body: Json) -> Json:
        """Create an object in a collection."""
        return await self.call("POST", path, body=body, params={"fieldManager": FIELD_MANAGER})

    async def replace(self, path: str, body: Json, *, seconds: float = CALL_SECONDS) -> Json:
        """Replace an object; its resourceVersion makes it safe against others."""
        return await self.call("PUT", path, body=body, params={"fieldManager": FIELD_MANAGER}, seconds=seconds)

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
        return await self.call(
            "PATCH",
            path,
            body=[test, *changes],
            params={"fieldManager": manager},
            content_type="application/json-patch+json",
        )

    async def delete(self, path: str, *, uid: str | None = None) -> None:
        """Delete in the background, only that incarnation if `uid` is given; an absent object is not an error."""
        body: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self.call("DELETE", path, body=body)
        except KubeError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise

    async def watch(self, path: str, **params: str) -> AsyncIterator[Json]:
        """Yield watch events until the server ends the stream; `ERROR` events are raised as KubeError."""
        request = Request("GET", path, {**params, "watch": "true", "allowWatchBookmarks": "true"})
        try:
            async for line in self._transport.stream(request):
                if isinstance(line, Response):
                    raise KubeError.from_response(line)
                event = _parsed(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise KubeError(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
                yield event
        except NoAnswer as error:
            raise Unreachable(str(error)) from error

    async def call(self, method: str, path: str, **options: Any) -> Json:
        """Make any call and return the body of the answer."""
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
        seconds: float = CALL_SECONDS,
    ) -> tuple[int, Json]:
        # Not escaped: the API server's YAML parser refuses the surrogate pairs of characters beyond U+FFFF.
        data = None if body is None else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {"Content-Type": content_type, **({"Accept": accept} if accept else {})}
        request = Request(method, path, params or {}, data, headers, seconds)
        async with self._slot():
            # Asked here, after all waiting: a process that was frozen meanwhile may have lost the lead.
            if method != "GET" and not self.may_write():
                raise KubeError(
                    HTTPStatus.SERVICE_UNAVAILABLE, "NotLeading", "this process may have lost the lead; nothing written"
                )
            try:
                response = await self._transport.send(request)
            except NoAnswer as error:
                raise Unreachable(str(error)) from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise KubeError.from_response(response)
        return response.status, _parsed(response.body)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Hold one of the slots for calls, for at most `SLOT_SECONDS`: calls that hang must not keep others waiting."""
        await self._slots.acquire()
        timer = asyncio.get_running_loop().call_later(SLOT_SECONDS, self._slots.release)
        try:
            yield
        finally:
            if not timer.cancelled() and timer.when() > asyncio.get_running_loop().time():
                timer.cancel()
                self._slots.release()


def _parsed(body: bytes) -> Json:
    """Return the JSON object; a proxy or captive portal may answer 200 with something else."""
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise Unreachable(f"something else answered in its place: {body[:100].decode(errors='replace')!r}")
    return parsed
