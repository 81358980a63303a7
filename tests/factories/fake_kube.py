"""An API server in memory, in the place of the operator's HTTP connection: a whole pass takes milliseconds.

It keeps what the operator relies on: resource versions, generations, UIDs, server-side apply with field managers,
optimistic locking, preconditions, watches with bookmarks and 410, garbage collection, pages. `fake.faults` refuses or
delays calls. It judges no schema: that is what the tests against a real API server are for.
"""

import asyncio
import copy
import itertools
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from loppestars_operator.kinds import CRAWL, EVENT, LEASE, OWNED_KINDS, POD, SECRET, STACK, OwnedKind
from loppestars_operator.kube.transport import NoAnswer, Request, Response
from tests.factories import server_side_apply
from tests.factories.server_side_apply import Conflict

Json = dict[str, Any]
KINDS = (*OWNED_KINDS, POD, STACK, CRAWL, LEASE, SECRET, EVENT)
NOW = "2026-01-01T12:00:00Z"
_PATH = re.compile(
    r"/(?:api|apis)/(?P<version>v1|[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<subresource>status))?"
)


@dataclass
class Fault:
    """Refuses, or fails to answer, the next `times` calls of a method and path; `seconds` delays them."""

    method: str
    path: str
    status: int = 0
    message: str = ""
    reason: str = "Fault"
    times: int = 1_000_000
    seconds: float = 0.0
    carried_out: bool = False
    """Whether the call takes effect though its answer is lost."""
    answer: Json | None = None
    """What is answered instead, with status 200."""

    def strikes(self, request: Request) -> bool:
        """Whether this call is struck; counts it."""
        if self.times <= 0 or request.method not in {self.method, self.method or request.method}:
            return False
        if not re.search(self.path, request.path):
            return False
        self.times -= 1
        return True


class Refused(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, reason: str, message: str, *causes: str) -> None:
        super().__init__(message)
        self.response = _status(status, reason, message, causes)


def _status(status: int, reason: str, message: str, causes: tuple[str, ...] = ()) -> Response:
    details = {"causes": [{"reason": cause} for cause in causes]}
    body = {"kind": "Status", "code": status, "reason": reason, "message": message, "details": details}
    return Response(status, json.dumps(body).encode())


@dataclass
class FakeKube:
    """Objects by kind, namespace and name; a `Transport` for `KubeClient`."""

    addons: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    calls: list[Request] = field(default_factory=list)
    admit: Callable[[Json], str | None] = lambda body: None  # noqa: ARG005 - admits everything
    compacted: int = 0
    patience: float = 60.0
    _objects: dict[tuple[str, str, str], Json] = field(default_factory=dict)
    _history: list[tuple[int, str, Json]] = field(default_factory=list)
    _versions: Iterator[int] = field(default_factory=lambda: itertools.count(100))
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    # What a test does to the cluster.

    def put(self, kind: OwnedKind, body: Json) -> Json:
        """Create or replace an object as another client would; missing metadata is filled in."""
        full = {"apiVersion": kind.api_version, "kind": kind.kind, **copy.deepcopy(body)}
        full["metadata"].setdefault("namespace", "shop")
        known = self._objects.get(_key(kind, full))
        bare = {key: value for key, value in full.items() if key in {"apiVersion", "kind"}}
        stored = server_side_apply.update(known or {**bare, "metadata": {}}, full, "tests")
        return self._store(kind, stored, known)

    def find(self, kind: OwnedKind, name: str, namespace: str = "shop") -> Json | None:
        """Return an object, or None."""
        found = self._objects.get((kind.plural, namespace, name))
        return copy.deepcopy(found) if found else None

    def all(self, kind: OwnedKind, namespace: str | None = None) -> list[Json]:
        """Return the objects of a kind."""
        return [
            copy.deepcopy(body)
            for (plural, where, _), body in sorted(self._objects.items())
            if plural == kind.plural and namespace in {None, where}
        ]

    def set_status(self, kind: OwnedKind, name: str, namespace: str = "shop", **status: Any) -> None:
        """Write a status as a controller would."""
        body = self._objects[kind.plural, namespace, name]
        self._store(kind, {**copy.deepcopy(body), "status": {**body.get("status", {}), **status}}, body)

    def remove(self, kind: OwnedKind, name: str, namespace: str = "shop") -> None:
        """Delete an object and what it owns."""
        body = self._objects.pop((kind.plural, namespace, name))
        metadata = {**body["metadata"], "resourceVersion": str(next(self._versions))}
        self._record("DELETED", {**body, "metadata": metadata})
        for owned in list(self._objects.values()):
            if any(owner["uid"] == body["metadata"]["uid"] for owner in owned["metadata"].get("ownerReferences") or ()):
                self.remove(_kind_of(owned), owned["metadata"]["name"], owned["metadata"]["namespace"])

    @property
    def version(self) -> int:
        """Resource version of the last change."""
        return self._history[-1][0] if self._history else 1

    def writes(self, *methods: str) -> list[Request]:
        """Return the calls so far that were not reads, or those of some methods."""
        return [call for call in self.calls if call.method in (methods or ("POST", "PUT", "PATCH", "DELETE"))]

    # What the client calls.

    async def close(self) -> None:
        """Nothing is open."""

    async def send(self, request: Request) -> Response:
        """Answer one call."""
        self.calls.append(request)
        await asyncio.sleep(0)
        fault = next((fault for fault in self.faults if fault.strikes(request)), None)
        if fault and fault.seconds:
            await asyncio.sleep(min(fault.seconds, request.seconds, self.patience))
            if fault.seconds >= request.seconds and not fault.carried_out:
                raise NoAnswer("TimeoutError")
        if fault and fault.answer is not None:
            return _ok(fault.answer)
        if fault and fault.status and not fault.carried_out:
            return _status(fault.status, fault.reason, fault.message)
        try:
            response = self._answer(request)
        except Refused as refused:
            response = refused.response
        if fault and fault.carried_out:
            raise NoAnswer("connection reset")
        await self._notify()
        return response

    async def stream(self, request: Request) -> AsyncIterator[bytes | Response]:
        """Answer a watch until it is cancelled."""
        fault = next((fault for fault in self.faults if fault.strikes(request)), None)
        if fault:
            yield _status(fault.status, fault.reason, fault.message)
            return
        kind, place = self._place(request.path)
        seen = int(request.params["resourceVersion"])
        if seen < self.compacted:
            gone = {"code": 410, "reason": "Expired", "message": "too old resource version"}
            yield json.dumps({"type": "ERROR", "object": gone}).encode()
            return
        while True:
            for version, what, body in self._history:
                if version > seen and _kind_of(body) is kind and self._selects(request, place, body):
                    yield json.dumps({"type": what, "object": body}).encode()
            seen = max(seen, self.version)
            async with self._changed:
                await self._changed.wait_for(lambda seen=seen: self.version > seen)

    # How it answers.

    def _answer(self, request: Request) -> Response:  # noqa: PLR0911 - one return per method
        if discovery := re.fullmatch(r"/apis/([^/]+)/([^/]+)", request.path):
            return self._discover(discovery[1], discovery[2])
        kind, place = self._place(request.path)
        body = json.loads(request.body) if request.body else None
        known = self._objects.get((kind.plural, place["namespace"] or "", place["name"] or ""))
        match request.method:
            case "GET" if place["name"] is None:
                return self._list_page(kind, place, request)
            case "GET":
                return _ok(self._existing(known, kind, place))
            case "POST":
                return self._create(kind, place, body, request)
            case "PUT":
                return self._replace(kind, self._existing(known, kind, place), body, request)
            case "DELETE":
                return self._delete(kind, self._existing(known, kind, place), body)
            case _:
                return self._patch(kind, place, known, body, request)

    def _discover(self, group: str, version: str) -> Response:
        served = [
            {"name": kind.plural}
            for kind in KINDS
            if kind.api_version == f"{group}/{version}" and (not kind.addon or group in self.addons)
        ]
        if not served:
            raise Refused(HTTPStatus.NOT_FOUND, "NotFound", "404 page not found")
        return _ok({"kind": "APIResourceList", "resources": served})

    def _list_page(self, kind: OwnedKind, place: Json, request: Request) -> Response:
        found = [body for body in self.all(kind, place["namespace"]) if self._selects(request, place, body)]
        begin, limit = int(request.params.get("continue") or 0), int(request.params.get("limit") or 0) or len(found)
        more = {"continue": str(begin + limit)} if begin + limit < len(found) else {}
        metadata = {"resourceVersion": str(self.version), **more}
        # Items of a list bear no kind.
        items = [{key: body[key] for key in body if key not in {"kind", "apiVersion"}} for body in found]
        return _ok({"kind": f"{kind.kind}List", "metadata": metadata, "items": items[begin : begin + limit]})

    def _create(self, kind: OwnedKind, place: Json, body: Json, request: Request) -> Response:
        body["metadata"].setdefault("namespace", place["namespace"])
        if _key(kind, body) in self._objects:
            name = body["metadata"]["name"]
            raise Refused(HTTPStatus.CONFLICT, "AlreadyExists", f'{kind.plural} "{name}" already exists')
        empty = {**body, "metadata": {"name": body["metadata"]["name"], "namespace": body["metadata"]["namespace"]}}
        empty = {key: value for key, value in empty.items() if key in {"apiVersion", "kind", "metadata"}}
        made = server_side_apply.update(empty, body, request.params.get("fieldManager", "unknown"))
        return _ok(self._store(kind, made, None), HTTPStatus.CREATED)

    def _replace(self, kind: OwnedKind, known: Json, body: Json, request: Request) -> Response:
        version = body["metadata"].get("resourceVersion")
        if version and version != known["metadata"]["resourceVersion"]:
            raise Refused(HTTPStatus.CONFLICT, "Conflict", "the object has been modified")
        changed = server_side_apply.update(known, body, request.params.get("fieldManager", "unknown"))
        return _ok(self._store(kind, changed, known))

    def _delete(self, kind: OwnedKind, known: Json, body: Json | None) -> Response:
        uid = ((body or {}).get("preconditions") or {}).get("uid")
        if uid and uid != known["metadata"]["uid"]:
            raise Refused(HTTPStatus.CONFLICT, "Conflict", "the UID in the precondition does not match")
        self.remove(kind, known["metadata"]["name"], known["metadata"]["namespace"])
        return _ok({"kind": "Status", "status": "Success"})

    def _patch(self, kind: OwnedKind, place: Json, known: Json | None, body: Any, request: Request) -> Response:
        manager = request.params.get("fieldManager", "unknown")
        subresource = place["subresource"] or ""
        match request.headers["Content-Type"]:
            case "application/apply-patch+yaml":
                if subresource:
                    self._existing(known, kind, place)
                    body = {key: body[key] for key in body if key != "spec"}
                elif kind in {STACK, CRAWL}:
                    body = {key: body[key] for key in body if key != "status"}
                uid = body["metadata"].get("uid")
                if uid and (known is None or known["metadata"]["uid"] != uid):
                    raise Refused(HTTPStatus.CONFLICT, "Conflict", "Precondition failed: UID in precondition")
                try:
                    changed = server_side_apply.apply(
                        known, body, manager, force=request.params.get("force") == "true", subresource=subresource
                    )
                except Conflict as conflict:
                    raise Refused(
                        HTTPStatus.CONFLICT, "Conflict", f"Apply failed: {conflict}", "FieldManagerConflict"
                    ) from conflict
            case "application/json-patch+json":
                changed = server_side_apply.update(
                    self._existing(known, kind, place), _json_patch(self._existing(known, kind, place), body), manager
                )
            case _:
                raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "not played")
        return _ok(self._store(kind, changed, known), HTTPStatus.OK if known else HTTPStatus.CREATED)

    def _store(self, kind: OwnedKind, body: Json, known: Json | None) -> Json:
        if known is None and (refusal := self.admit(body)):
            raise Refused(HTTPStatus.FORBIDDEN, "Forbidden", refusal)
        meta = body["metadata"]
        same = known and {**body, "metadata": {**meta, "resourceVersion": ""}} == {
            **known,
            "metadata": {**known["metadata"], "resourceVersion": ""},
        }
        if same:
            return copy.deepcopy(body)
        meta.setdefault("uid", str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", NOW)
        if known is None:
            meta["generation"] = meta.get("generation", 1)
        elif known.get("spec") != body.get("spec"):
            meta["generation"] = known["metadata"]["generation"] + 1
        version = next(self._versions)
        meta["resourceVersion"] = str(version)
        self._objects[_key(kind, body)] = body
        self._record("MODIFIED" if known else "ADDED", body)
        return copy.deepcopy(body)

    def _record(self, what: str, body: Json) -> None:
        self._history.append((int(body["metadata"]["resourceVersion"]), what, copy.deepcopy(body)))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _place(self, path: str) -> tuple[OwnedKind, Json]:
        match = _PATH.fullmatch(path)
        kind = next(
            (
                kind
                for kind in KINDS
                if match and (kind.api_version, kind.plural) == (match["version"], match["plural"])
            ),
            None,
        )
        if match is None or kind is None or (kind.addon and kind.group not in self.addons):
            raise Refused(HTTPStatus.NOT_FOUND, "NotFound", "the server could not find the requested resource")
        return kind, match.groupdict()

    @staticmethod
    def _existing(known: Json | None, kind: OwnedKind, place: Json) -> Json:
        if known is None:
            raise Refused(HTTPStatus.NOT_FOUND, "NotFound", f'{kind.plural} "{place["name"]}" not found')
        return known

    @staticmethod
    def _selects(request: Request, place: Json, body: Json) -> bool:
        labels = body["metadata"].get("labels") or {}
        wanted = [part.split("=", 1) for part in (request.params.get("labelSelector") or "").split(",") if part]
        fields = dict(part.split("=", 1) for part in (request.params.get("fieldSelector") or "").split(",") if part)
        if place["namespace"] not in {None, body["metadata"]["namespace"]}:
            return False
        return all(labels.get(key) == value for key, value in wanted) and all(
            _at(body, path) == value for path, value in fields.items()
        )


def _at(body: Any, path: str) -> Any:
    for step in path.split("."):
        body = (body or {}).get(step)
    return body


def _key(kind: OwnedKind, body: Json) -> tuple[str, str, str]:
    return kind.plural, body["metadata"]["namespace"], body["metadata"]["name"]


def _kind_of(body: Json) -> OwnedKind:
    return next(kind for kind in KINDS if (kind.api_version, kind.kind) == (body["apiVersion"], body["kind"]))


def _ok(body: Json, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status, json.dumps(body).encode())


def _json_patch(body: Json, changes: list[Json]) -> Json:
    result: Any = copy.deepcopy(body)
    for change in changes:
        *parents, last = [step.replace("~1", "/").replace("~0", "~") for step in change["path"].split("/")[1:]]
        at = result
        for step in parents:
            at = at[int(step)] if isinstance(at, list) else at[step]
        key: Any = int(last) if isinstance(at, list) else last
        match change["op"]:
            case "test":
                if at[key] != change["value"]:
                    raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", "the test operation failed")
            case "remove":
                del at[key]
            case _:
                at[key] = change["value"]
    return result
