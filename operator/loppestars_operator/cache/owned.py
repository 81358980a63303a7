"""What is known of the owned objects: a cache by stack, small enough for thousands of stacks.

An entry is the object without other managers' bookkeeping, packed: unpacking twenty of them costs a pass a
millisecond, while keeping them as dictionaries would cost 30 KB each.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from loppestars_operator.cache.packing import Packed
from loppestars_operator.kinds import Manifest, ObjectKey, key_of
from loppestars_operator.naming import FIELD_MANAGER, STACK_LABEL, StackKey

MAX_DELETED: Final = 4096
"""Deleted objects that are remembered, which has to last for the seconds that the answer to a write may take."""


@dataclass(slots=True)
class CachedObject:
    """One object as it was last seen. `matches_rendering` is the hash of the rendering it was found equal to."""

    key: ObjectKey
    stack: StackKey
    uid: str
    resource_version: str
    packed: Packed
    matches_rendering: str | None = None

    @classmethod
    def of(cls, live: Manifest, stack: StackKey) -> Self:
        """Pack a live object."""
        meta = live["metadata"]
        return cls(key_of(live), stack, meta["uid"], meta["resourceVersion"], Packed.of(trimmed(live)))

    def body(self) -> Manifest:
        """Return the trimmed object."""
        return self.packed.open()


def trimmed(live: Manifest) -> Manifest:
    """Drop what neither drift nor readiness looks at."""
    meta = {
        **live["metadata"],
        "managedFields": [
            {key: value for key, value in entry.items() if key != "time"}
            for entry in live["metadata"].get("managedFields") or ()
            if entry.get("manager") == FIELD_MANAGER and not entry.get("subresource")
        ],
    }
    if live["kind"] != "Pod":
        return {**live, "metadata": meta}
    status: dict[str, Any] = live.get("status") or {}
    kept: dict[str, Any] = {
        key: status[key] for key in ("phase", "reason", "message", "conditions", "podIP") if key in status
    }
    for which in ("containerStatuses", "initContainerStatuses"):
        if which in status:
            kept[which] = [
                {
                    key: container[key]
                    for key in ("name", "ready", "restartCount", "state", "lastState")
                    if key in container
                }
                for container in status[which]
            ]
    meta.pop("managedFields")
    return {**live, "metadata": meta, "spec": {}, "status": kept}


def stack_of(live: Manifest) -> StackKey | None:
    """Return the stack an object says it belongs to."""
    name = (live["metadata"].get("labels") or {}).get(STACK_LABEL)
    return StackKey(live["metadata"]["namespace"], name) if name else None


def is_newer(candidate: str, known: str) -> bool:
    """Compare resource versions: they are numbers that grow, since Kubernetes 1.35 by contract."""
    return int(candidate) > int(known)


class OwnedCache:
    """CachedObject objects by stack. Only the event loop's thread touches it."""

    def __init__(self) -> None:
        self._by_stack: dict[StackKey, dict[ObjectKey, CachedObject]] = {}
        self._deleted: dict[str, str] = {}

    def put(self, live: Manifest) -> StackKey | None:
        """Remember an object and return its stack; an older reading than the known one is ignored.

        So is one from before its deletion: the answer to a write of our own may be read after the watch has told of
        the object's end.
        """
        stack, meta = self._home_of(live), live["metadata"]
        if stack is None:
            return None
        ended = self._deleted.get(meta["uid"])
        if ended is not None and not is_newer(meta["resourceVersion"], ended):
            return None
        known = self._by_stack.get(stack, {}).get(key_of(live))
        if known and known.uid == meta["uid"] and not is_newer(meta["resourceVersion"], known.resource_version):
            return None
        self._insert(CachedObject.of(live, stack))
        return stack

    def remove(self, live: Manifest) -> StackKey | None:
        """Forget an object and return its stack; a newer incarnation of the name stays.

        For the watch an object also ends when it loses the label that is watched for, so it may come back.
        """
        stack, key, meta = self._home_of(live), key_of(live), live["metadata"]
        if stack is None:
            return None
        self._deleted[meta["uid"]] = meta["resourceVersion"]
        if len(self._deleted) > MAX_DELETED:
            del self._deleted[next(iter(self._deleted))]
        known = self._by_stack.get(stack, {}).get(key)
        if known is not None and known.uid != meta["uid"]:
            return None
        if known is not None:
            self._drop(stack, key)
        # Also where it was not known yet: whoever is writing it now has to look again.
        return stack

    def replace(self, kind: str, namespace: str | None, listed: Iterable[CachedObject], version: str) -> set[StackKey]:
        """Take a complete list of one kind at a resource version for the truth; return the stacks that changed.

        What was seen after that version, as the answer to a write of our own, is kept.
        """
        fresh = {item.key: item for item in listed}
        gone = [
            (stack, key)
            for stack, objects in self._by_stack.items()
            for key, known in objects.items()
            if key.kind == kind
            and namespace in {None, key.namespace}
            and key not in fresh
            and not is_newer(known.resource_version, version)
        ]
        for stack, key in gone:
            self._drop(stack, key)
        changed = {stack for stack, _ in gone}
        for key, observed in fresh.items():
            known = self._by_stack.get(observed.stack, {}).get(key)
            if known is None or is_newer(observed.resource_version, known.resource_version):
                self._insert(observed)
                changed.add(observed.stack)
        return changed

    def agree(self, live: Manifest, rendering: str) -> None:
        """Note that an object in this version is as rendered."""
        stack = self._home_of(live)
        known = self._by_stack.get(stack, {}).get(key_of(live)) if stack else None
        if known and known.resource_version == live["metadata"]["resourceVersion"]:
            known.matches_rendering = rendering

    def of(self, stack: StackKey) -> dict[ObjectKey, CachedObject]:
        """Return the objects of a stack; a copy, so that a pass sees one state."""
        return dict(self._by_stack.get(stack, {}))

    def _home_of(self, live: Manifest) -> StackKey | None:
        """Return the stack under which an object is known, whatever its labels say now; else what they say.

        Names of owned objects begin with their stack's, or are it.
        """
        key = key_of(live)
        words = key.name.split("-")
        for count in range(1, len(words) + 1):
            stack = StackKey(key.namespace, "-".join(words[:count]))
            if key in self._by_stack.get(stack, ()):
                return stack
        return stack_of(live)

    def _insert(self, observed: CachedObject) -> None:
        self._by_stack.setdefault(observed.stack, {})[observed.key] = observed

    def _drop(self, stack: StackKey, key: ObjectKey) -> None:
        objects = self._by_stack[stack]
        del objects[key]
        if not objects:
            del self._by_stack[stack]
