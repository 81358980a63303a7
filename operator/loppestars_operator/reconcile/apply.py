"""Server-side apply in order, and pruning. Knows no kinds beyond their order; what has not drifted is not sent."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

import structlog

from loppestars_operator import metrics
from loppestars_operator.cache.owned import CachedObject, OwnedCache
from loppestars_operator.kinds import (
    OWNED_KINDS,
    Manifest,
    ObjectKey,
    component_of,
    key_of,
    kind_named,
    kind_of,
    label_of,
    owner_uids,
)
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.naming import (
    CEDING_MANAGER,
    FIELD_MANAGER,
    RENDERING_ANNOTATION,
    REPAIR_MANAGER,
    STACK_LABEL,
)
from loppestars_operator.plan.hibernation import awake_count
from loppestars_operator.problems import Problem
from loppestars_operator.reconcile.drift import crowded_lists, find_drift, owned_fields
from loppestars_operator.reconcile.refusals import addon_missing, explain, taken
from loppestars_operator.rendering.context import ClusterFacts

log = structlog.get_logger(__name__)

_OUR_MANAGERS: Final = {FIELD_MANAGER, CEDING_MANAGER, REPAIR_MANAGER}
TIMED_OUT_SECONDS: Final = 3.0

# Jobs are finite: they are cleared by what asked for them.
_PRUNED: Final = frozenset(kind.kind for kind in OWNED_KINDS if kind.optional) - {"Job"}


class Outcome(Enum):
    """What became of one object."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class Changes:
    """Result of applying: outcomes by object, and what went wrong."""

    outcomes: Mapping[ObjectKey, Outcome]
    problems: tuple[Problem, ...] = ()

    @property
    def timed_out(self) -> bool:
        """Whether a call failed only after seconds: the next ones would take as long."""
        return any(problem.timed_out for problem in self.problems)

    @property
    def written(self) -> int:
        """How many objects were written."""
        return sum(outcome is not Outcome.UNCHANGED for outcome in self.outcomes.values())

    def __add__(self, other: "Changes") -> "Changes":
        return Changes({**self.outcomes, **other.outcomes}, (*self.problems, *other.problems))


class Applier:
    """Makes the cluster agree with manifests, and the store with the answers."""

    def __init__(self, kube: KubeClient, store: OwnedCache) -> None:
        self._kube = kube
        self._store = store

    async def apply(
        self,
        manifests: Iterable[Manifest],
        observed: Mapping[ObjectKey, CachedObject],
        facts: ClusterFacts,
        *,
        serial: bool = False,
    ) -> Changes:
        """Apply wave after wave; a wave with problems does not hold back the next, whose objects may be healthy.

        Unless its calls hang: then the rest is left for later. `serial` makes one call at a time, for stacks whose
        calls have hung before: the places for calls are all stacks' together.
        """
        waves: dict[int, list[Manifest]] = {}
        for manifest in manifests:
            waves.setdefault(kind_of(manifest).wave, []).append(manifest)
        changes = Changes({})
        for _, wave in sorted(waves.items()):
            for part in [[manifest] for manifest in wave] if serial else [wave]:
                calls = (self._apply_one(manifest, observed.get(key_of(manifest)), facts) for manifest in part)
                for result in await asyncio.gather(*calls):
                    changes += result
                if changes.timed_out:
                    return changes
        return changes

    async def prune(
        self, rendered: Iterable[Manifest], observed: Mapping[ObjectKey, CachedObject], owner_uid: str
    ) -> Changes:
        """Delete what is no longer rendered: only with our label, our owner reference and our field manager."""
        wanted = {key_of(manifest) for manifest in rendered}
        superfluous = [
            found
            for key, found in observed.items()
            if key not in wanted and key.kind in _PRUNED and is_ours(found.body(), owner_uid)
        ]
        results = await asyncio.gather(*(self.delete(found) for found in superfluous))
        return Changes(
            {found.key: Outcome.PRUNED for found in superfluous}, tuple(problem for problem in results if problem)
        )

    async def delete(self, observed: CachedObject) -> Problem | None:
        """Delete one object, in the incarnation that was observed."""
        key = observed.key
        try:
            await self._kube.delete(kind_named(key.kind).path(key.namespace, key.name), uid=observed.uid)
        except KubeError as error:
            return explain(error, key)
        self._store.remove(observed.body())
        metrics.WRITES.labels(key.kind, Outcome.PRUNED.value).inc()
        log.info("object_deleted", object=str(key))
        return None

    async def create_once(self, manifest: Manifest, observed: Mapping[ObjectKey, CachedObject]) -> Changes:
        """Create a Job: its template is immutable, so an existing one is left as it is."""
        if key_of(manifest) in observed:
            return Changes({key_of(manifest): Outcome.UNCHANGED})
        return await self._write(manifest, new=True)

    async def _apply_one(self, manifest: Manifest, observed: CachedObject | None, facts: ClusterFacts) -> Changes:
        key, kind = key_of(manifest), kind_of(manifest)
        if kind.addon and kind.group not in facts.groups:
            return Changes({}, (addon_missing(manifest, kind.group),))
        if observed is None:
            return await self._write(manifest, new=True)
        rendering = manifest["metadata"]["annotations"][RENDERING_ANNOTATION]
        if observed.matches_rendering == rendering:
            return Changes({key: Outcome.UNCHANGED})
        live = observed.body()
        drift = find_drift(manifest, live)
        if drift is None:
            observed.matches_rendering = rendering
            return Changes({key: Outcome.UNCHANGED})
        log.info("object_drifted", object=str(key), field=drift)
        return await self._put_right(manifest, live)

    async def _put_right(self, manifest: Manifest, live: Manifest) -> Changes:
        owned = (owned_fields(live) or {}).get("f:spec", {})
        ceding = manifest["kind"] == "Deployment" and "replicas" not in manifest["spec"] and "f:replicas" in owned
        try:
            if ceding:
                # At its live value: dropping an owned one would fall to 1, even next to an autoscaler. One that slept
                # wakes as it was; an autoscaler does nothing at 0.
                body = {**bare(manifest), "spec": {"replicas": awake_count(live) or 1}}
                await self._kube.apply(path_of(manifest), body, manager=CEDING_MANAGER)
        except KubeError as error:
            return Changes({}, (explain(error, key_of(manifest)),))
        written = await self._write(manifest)
        if any(problem.reason == "InvalidSpec" for problem in written.problems):
            if lists := crowded_lists(manifest, live):
                return await self._make_room(manifest, live, lists) or written
        elif ceding:
            await self._disown(manifest, CEDING_MANAGER)
        return written

    async def _make_room(self, manifest: Manifest, live: Manifest, lists: Mapping[str, Any]) -> Changes | None:
        """Put our lists in place of those in which others' items keep ours out; None where that is refused too."""
        key = key_of(manifest)
        path, version = path_of(manifest), live["metadata"]["resourceVersion"]
        changes = [{"op": "replace", "path": pointer, "value": value} for pointer, value in lists.items()]
        log.info("lists_replaced", object=str(key), lists=sorted(lists))
        try:
            await self._kube.edit(path, changes, version=version, manager=REPAIR_MANAGER)
        except KubeError as error:
            log.warning("lists_not_replaced", object=str(key), error=str(error))
            return None
        written = await self._write(manifest)
        await self._disown(manifest, REPAIR_MANAGER)
        return written

    async def _disown(self, manifest: Manifest, manager: str) -> None:
        """Remove a helping manager's entry, or its fields would stay when they are no longer rendered.

        Failing to is harmless: the entry is in nobody's way.
        """
        path = path_of(manifest)
        try:
            live = await self._kube.get(path_of(manifest, collection=True), _by_name(manifest))
            live = next(iter(live.get("items") or ()), {"metadata": {}})
            managers = [entry["manager"] for entry in live["metadata"].get("managedFields") or ()]
            if manager not in managers:
                return
            change = {"op": "remove", "path": f"/metadata/managedFields/{managers.index(manager)}"}
            edited = await self._kube.edit(path, [change], version=live["metadata"]["resourceVersion"], manager=manager)
        except KubeError as error:
            log.warning("manager_not_disowned", object=str(key_of(manifest)), error=str(error))
            return
        self._store.put(edited)

    async def _write(self, manifest: Manifest, *, new: bool = False) -> Changes:
        """Apply an object; a `new` one only where nothing of its name exists that is not this stack's."""
        key, began = key_of(manifest), time.perf_counter()
        try:
            # An object that is not watched: it is new, or its labels were taken away.
            listed = await self._kube.get(path_of(manifest, collection=True), _by_name(manifest)) if new else {}
            kind = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"]}
            found = next(({**kind, **item} for item in listed.get("items") or ()), None)
            if found is not None and not belongs(found, manifest):
                metrics.WRITES.labels(key.kind, "failed").inc()
                return Changes({}, (taken(key, component_of(manifest)),))
            live, created = await self._kube.apply(path_of(manifest), manifest)
            if new and found is None and not created and not is_made_by_us(live):
                # Made by others since it was looked for: what was applied is taken back.
                await self._kube.apply(path_of(manifest), bare(manifest))
                return Changes({}, (taken(key, component_of(manifest)),))
        except KubeError as error:
            metrics.WRITES.labels(key.kind, "failed").inc()
            problem = explain(error, key, component_of(manifest))
            timed_out = time.perf_counter() - began > TIMED_OUT_SECONDS
            return Changes({}, (replace(problem, timed_out=timed_out),))
        self._store.put(live)
        outcome = Outcome.CREATED if created else Outcome.CONFIGURED
        metrics.WRITES.labels(key.kind, outcome.value).inc()
        # An install makes dozens; what is put right later is worth a line each.
        (log.debug if created else log.info)(f"object_{outcome.value}", object=str(key))
        # What was just applied agrees, unless it is changed again.
        self._store.agree(live, manifest["metadata"].get("annotations", {}).get(RENDERING_ANNOTATION, ""))
        return Changes({key: outcome})


def path_of(manifest: Manifest, *, collection: bool = False) -> str:
    """Return the path of an object, or of the collection it is in."""
    meta = manifest["metadata"]
    return kind_of(manifest).path(meta["namespace"], None if collection else meta["name"])


def is_made_by_us(live: Manifest) -> bool:
    """Return whether no one else made an object: an earlier call of ours did whose answer was lost, or came late."""
    created = live["metadata"].get("creationTimestamp")
    entries = [entry for entry in live["metadata"].get("managedFields") or () if not entry.get("subresource")]
    return all(entry["manager"] in _OUR_MANAGERS and entry.get("time", created) == created for entry in entries)


def bare(manifest: Manifest) -> Manifest:
    """Return what names an object and nothing else."""
    meta = manifest["metadata"]
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
    }


def belongs(live: Manifest, manifest: Manifest) -> bool:
    """Return whether an object is this stack's: it has the same owner, or our label and fields that we applied."""
    if set(owner_uids(manifest)) & set(owner_uids(live)):
        return True
    same_stack = label_of(live, STACK_LABEL) == label_of(manifest, STACK_LABEL)
    return same_stack and owned_fields(live) is not None


def _by_name(manifest: Manifest) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={manifest['metadata']['name']}"}


def is_ours(live: Manifest, owner_uid: str) -> bool:
    """Return whether an object was made by this operator for this incarnation of the stack."""
    return owner_uid in owner_uids(live) and label_of(live, STACK_LABEL) is not None and owned_fields(live) is not None
