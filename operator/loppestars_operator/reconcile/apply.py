"""Server-side apply in order, and pruning. Knows no kinds beyond their order; what has not drifted is not sent."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

import structlog

from loppestars_operator import metrics
from loppestars_operator.cache.owned import CachedObject, OwnedCache
from loppestars_operator.kinds import ADDON_GROUPS, OWNED_KINDS, Manifest, ObjectKey, key_of, kind_named, kind_of
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.naming import CEDING_MANAGER, RENDERING_ANNOTATION, REPAIR_MANAGER, STACK_LABEL
from loppestars_operator.problems import Problem
from loppestars_operator.reconcile.drift import crowded_lists, find_drift, owned_fields
from loppestars_operator.rendering.context import ClusterFacts

log = structlog.get_logger(__name__)

UNPROCESSABLE: Final = (400, 422)
SLOW_SECONDS: Final = 3.0
CONFLICT: Final = "FieldManagerConflict"
# Server-side apply says with a 500 that a field does not exist or is of another type.
UNTYPED: Final = "failed to create typed patch object"
# What the API server says where a right is missing; other refusals are admission's.
NO_RIGHT: Final = (" cannot ", "permissions not currently held", "cannot set blockOwnerDeletion")

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
    def slow(self) -> bool:
        """Whether a call failed only after seconds: the next ones would take as long."""
        return any(problem.slow for problem in self.problems)

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
                if changes.slow:
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
        """Create a Job: its template is immutable, so one that is there is left as it is."""
        if key_of(manifest) in observed:
            return Changes({key_of(manifest): Outcome.UNCHANGED})
        return await self._write(manifest, new=True)

    async def _apply_one(self, manifest: Manifest, observed: CachedObject | None, facts: ClusterFacts) -> Changes:
        key, kind = key_of(manifest), kind_of(manifest)
        if kind.addon and kind.group not in facts.groups:
            return Changes({}, (_missing_addon(manifest, kind.group),))
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
        if problem := await self._cede_replicas(manifest, live):
            return Changes({}, (problem,))
        written = await self._write(manifest)
        if any(problem.reason == "InvalidSpec" for problem in written.problems) and (
            lists := crowded_lists(manifest, live)
        ):
            return await self._make_room(manifest, live, lists) or written
        return written

    async def _make_room(self, manifest: Manifest, live: Manifest, lists: Mapping[str, Any]) -> Changes | None:
        """Put our lists in place of those in which others' items keep ours out; None where that is refused too.

        The repair is disowned afterwards, or its fields would stay for ever when they are no longer rendered.
        """
        key, kind = key_of(manifest), kind_of(manifest)
        path, version = kind.path(key.namespace, key.name), live["metadata"]["resourceVersion"]
        changes = [{"op": "replace", "path": pointer, "value": value} for pointer, value in lists.items()]
        log.info("lists_replaced", object=str(key), lists=sorted(lists))
        try:
            await self._kube.edit(path, changes, version=version, manager=REPAIR_MANAGER)
            live, _ = await self._kube.apply(path, manifest)
            managers = [entry["manager"] for entry in live["metadata"]["managedFields"]]
            disown = {"op": "remove", "path": f"/metadata/managedFields/{managers.index(REPAIR_MANAGER)}"}
            live = await self._kube.edit(
                path, [disown], version=live["metadata"]["resourceVersion"], manager=REPAIR_MANAGER
            )
        except (KubeError, ValueError) as error:
            log.warning("lists_not_replaced", object=str(key), error=str(error))
            return None
        metrics.WRITES.labels(key.kind, Outcome.CONFIGURED.value).inc()
        self._store.put(live)
        return Changes({key: Outcome.CONFIGURED})

    async def _write(self, manifest: Manifest, *, new: bool = False) -> Changes:
        """Apply an object. A `new` one is applied without force at first: somebody else's may have its name."""
        key, kind = key_of(manifest), kind_of(manifest)
        path, began = kind.path(key.namespace, key.name), time.perf_counter()
        try:
            try:
                live, created = await self._kube.apply(path, manifest, force=not new)
            except KubeError as error:
                if CONFLICT not in error.causes:
                    raise
                if not await self._was_ours(key):
                    metrics.WRITES.labels(key.kind, "failed").inc()
                    return Changes({}, (_taken(error, key, _component(manifest)),))
                live, created = await self._kube.apply(path, manifest)
        except KubeError as error:
            metrics.WRITES.labels(key.kind, "failed").inc()
            problem = explain(error, key, _component(manifest))
            return Changes({}, (replace(problem, slow=time.perf_counter() - began > SLOW_SECONDS),))
        self._store.put(live)
        outcome = Outcome.CREATED if created else Outcome.CONFIGURED
        metrics.WRITES.labels(key.kind, outcome.value).inc()
        # An install makes dozens; what is put right later is worth a line each.
        (log.debug if created else log.info)(f"object_{outcome.value}", object=str(key))
        # What was just applied agrees, unless somebody changes it again.
        self._store.agree(live, manifest["metadata"].get("annotations", {}).get(RENDERING_ANNOTATION, ""))
        return Changes({key: outcome})

    async def _was_ours(self, key: ObjectKey) -> bool:
        """Whether an object that is not watched was applied by us: somebody may have taken its labels."""
        found = await self._kube.get(
            kind_named(key.kind).path(key.namespace), {"fieldSelector": f"metadata.name={key.name}"}
        )
        return any(owned_fields(item) is not None for item in found.get("items") or ())

    async def _cede_replicas(self, manifest: Manifest, live: Manifest) -> Problem | None:
        """Hand `replicas` over at its live value: dropping an owned one would fall to 1, even beside an autoscaler."""
        owned = (owned_fields(live) or {}).get("f:spec", {})
        if manifest["kind"] != "Deployment" or "replicas" in manifest["spec"] or "f:replicas" not in owned:
            return None
        key = key_of(manifest)
        body = {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            "metadata": {"name": key.name, "namespace": key.namespace},
            "spec": {"replicas": live["spec"]["replicas"]},
        }
        try:
            await self._kube.apply(kind_of(manifest).path(key.namespace, key.name), body, manager=CEDING_MANAGER)
        except KubeError as error:
            return explain(error, key)
        return None


def is_ours(live: Manifest, owner_uid: str) -> bool:
    """Whether an object was made by this operator for this incarnation of the stack."""
    meta = live["metadata"]
    owned = any(owner.get("uid") == owner_uid for owner in meta.get("ownerReferences") or ())
    return owned and STACK_LABEL in (meta.get("labels") or {}) and owned_fields(live) is not None


def explain(error: KubeError, key: ObjectKey, component: str | None = None) -> Problem:
    """Turn a refusal into a problem that a stranger understands, in the API server's own words."""
    if "NamespaceTerminating" in error.causes:
        return Problem("NamespaceTerminating", f"namespace {key.namespace} is being deleted", transient=True)
    if "cannot find RESTMapping" in error.message:
        # The API server takes up to half a minute to know a CRD that was just installed.
        return Problem("ApiError", f"{key}: {error.message}", transient=True, component=component)
    if error.status in UNPROCESSABLE or UNTYPED in error.message:
        return Problem("InvalidSpec", error.message, transient=False, component=component)
    if error.status == HTTPStatus.FORBIDDEN:
        return _forbidden(error.message, component)
    return Problem("ApiError", f"{key}: {error.message}", transient=True, component=component)


def _forbidden(message: str, component: str | None) -> Problem:
    """Tell a right that is missing from a quota that is used up and from the cluster's own rules: all are a 403."""
    if "exceeded quota" in message:
        reason, told = "QuotaExceeded", f"{message}; raise the quota, and the stack goes on within a minute"
    elif any(words in message for words in NO_RIGHT):
        hint = "give the operator's service account this right, e.g. by upgrading the chart loppestars-operator"
        reason, told = "Forbidden", f"{message}; {hint}"
    else:
        reason, told = "Refused", f"refused by a rule of the cluster: {message}"
    return Problem(reason, told, transient=False, component=component)


def _taken(error: KubeError, key: ObjectKey, component: str | None) -> Problem:
    message = (
        f"{key} exists and is not this stack's, so it is left alone ({error.message}); remove it, or give the stack "
        "another name"
    )
    return Problem("NameTaken", message, transient=False, component=component)


def _missing_addon(manifest: Manifest, group: str) -> Problem:
    product = ADDON_GROUPS[group]
    message = (
        f"{manifest['kind']} asked for, but the CRDs of {product} ({group}) are not installed; "
        f"install {product} or remove what asks for it from the spec"
    )
    return Problem("AddOnMissing", message, transient=False)


def _component(manifest: Manifest) -> str | None:
    component: str | None = (manifest["metadata"].get("labels") or {}).get("app.kubernetes.io/component")
    return component
