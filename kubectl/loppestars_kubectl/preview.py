"""What a change of a stack would do, by the operator's own pure rendering: no object is written.

The API server fills in defaults and judges the change (a dry run); both specs are rendered, the difference is shown.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from loppestars_operator.kinds import Manifest, key_of
from loppestars_operator.naming import RENDERING_ANNOTATION, TEMPLATE_ANNOTATION
from loppestars_operator.plan.resolving import database_of, resolve_images
from loppestars_operator.rendering import ClusterFacts, RenderContext, render, render_migration
from loppestars_operator.spec import Stack, StackSpec

Object = dict[str, Any]

# Hashes of what is shown anyway.
_HIDDEN: Final = frozenset({RENDERING_ANNOTATION, TEMPLATE_ANNOTATION})
_CONTEXT_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class Preview:
    """The steps that would follow, in words, and the difference as lines of a unified diff."""

    steps: list[str]
    lines: list[str]


def preview(before: Object | None, after: Object, groups: frozenset[str]) -> Preview:
    """Return what a change from one stack to another would do; `before` is None for a new one.

    Raises:
        pydantic.ValidationError: a spec of another release than this one.
    """
    facts = ClusterFacts(groups=groups, assigns_ids="security.openshift.io" in groups)
    wanted = Stack.parse(_complete(after))
    known = Stack.parse(_complete(before)) if before else None
    objects = _rendered(wanted, facts)
    shown = _rendered(known, facts) if known else {}
    return Preview(list(steps_of(known, wanted, shown, objects)), list(differences(shown, objects)))


def migration_of(stack: Object) -> Manifest:
    """Return the migration Job of a stack as it would be rendered, with the backup before it where it makes backups."""
    found = Stack.parse(stack)
    if found.spec.backup:
        backup = found.spec.backup.model_copy(update={"before_migration": True})
        found = replace(found, spec=found.spec.model_copy(update={"backup": backup}))
    return render_migration(RenderContext(found, resolve_images(found.spec), ClusterFacts()))


def _complete(body: Object) -> Object:
    """Return a stack with the metadata that a dry run of a new one may lack."""
    meta = {"namespace": "default", "uid": "", "resourceVersion": "", **body["metadata"]}
    return {**body, "metadata": meta}


def _rendered(stack: Stack, facts: ClusterFacts) -> Mapping[str, Manifest]:
    manifests = render(RenderContext(stack, resolve_images(stack.spec), facts))
    return {f"{key_of(manifest).kind} {key_of(manifest).name}": _bare(manifest) for manifest in manifests}


def _bare(manifest: Manifest) -> Manifest:
    metadata = {
        name: value for name, value in manifest["metadata"].items() if name not in {"ownerReferences", "annotations"}
    }
    annotations = manifest["metadata"].get("annotations") or {}
    kept = {name: value for name, value in annotations.items() if name not in _HIDDEN}
    return {**manifest, "metadata": {**metadata, **({"annotations": kept} if kept else {})}}


def differences(before: Mapping[str, Manifest], after: Mapping[str, Manifest]) -> Iterator[str]:
    """Yield the lines of a unified diff of all objects."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            names = (f"{name} ({'before' if old else 'nothing'})", f"{name} ({'after' if new else 'nothing'})")
            yield from difflib.unified_diff(_lines(old), _lines(new), *names, lineterm="", n=_CONTEXT_LINES)


def _lines(manifest: Manifest | None) -> list[str]:
    return yaml.safe_dump(manifest, sort_keys=False, width=160).splitlines() if manifest else []


def steps_of(
    known: Stack | None, wanted: Stack, before: Mapping[str, Manifest], after: Mapping[str, Manifest]
) -> Iterator[str]:
    """Yield what would happen, in the order in which it would."""
    spec, old = wanted.spec, known.spec if known else None
    for word, names in (
        ("makes", sorted(after.keys() - before.keys())),
        ("removes", sorted(before.keys() - after.keys())),
    ):
        if names:
            yield f"{word} {len(names)} objects" + (f": {', '.join(names)}" if old else "")
    if spec.paused:
        yield "nothing is carried out: the stack is paused"
        return
    if spec.hibernated:
        yield "the stack sleeps: no pods; what changes is carried out when it wakes"
        return
    if old is None or migrates(old, spec):
        first = " after a backup" if spec.backup and spec.backup.before_migration else ""
        yield f"migrates the database{first}; until that has succeeded pods stay as they are"
    rolled = [name for name in before if name in after and _template(before[name]) != _template(after[name])]
    canary = spec.rollout is not None and spec.rollout.canary is not None
    for name in rolled:
        if name.startswith("Deployment "):
            first = ", one pod first (canary)" if canary and name.endswith("-api") else ""
            back = "all goes back by itself if they do not get ready"
            yield f"rolls the pods of {name.removeprefix('Deployment ')}{first}; {back}"
    if old is not None and old.hibernated:
        yield "wakes the stack with the number of pods it had"


def migrates(old: StackSpec, new: StackSpec) -> bool:
    """Return whether a change needs a migration."""
    return resolve_images(old).api != resolve_images(new).api or database_of(old) != database_of(new)


def _template(manifest: Manifest) -> object:
    return manifest["spec"]["template"] if manifest["kind"] == "Deployment" else None
