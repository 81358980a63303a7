"""The order in which a stack's objects are applied, pruned and cleared."""

import asyncio
from collections.abc import Sequence
from functools import partial

from loppestars_operator.kinds import Manifest, Wave, key_of, kind_of
from loppestars_operator.plan.rollout import Plan
from loppestars_operator.plan.snapshot import Snapshot
from loppestars_operator.reconcile.apply import Applier, Changes
from loppestars_operator.rendering import ClusterFacts
from loppestars_operator.spec import Stack


async def apply_stages(  # noqa: PLR0913, PLR0917 - what a pass knows, each named at the call
    applier: Applier,
    stack: Stack,
    plan: Plan,
    manifests: Sequence[Manifest],
    migration: Manifest,
    snapshot: Snapshot,
    facts: ClusterFacts,
    *,
    serial: bool,
) -> Changes:
    """Apply prerequisites, the migration Job, and behind the gate what serves and the rest; prune and clear."""
    apply = partial(applier.apply, observed=snapshot.objects, facts=facts, serial=serial)
    changes = await apply(_of(manifests, Wave.PREREQUISITES))
    if plan.passage.create and not changes.timed_out:
        changes += await applier.create_once(migration, snapshot.objects)
    if changes.timed_out:
        return changes
    if plan.revision is not None:
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(apply(_of(manifests, Wave.BESIDE)))
            changes += await apply(_of(manifests, Wave.SERVING))
            if not changes.timed_out:
                # Before the rest: KEDA refuses a Deployment that an autoscaler of ours still holds.
                changes += await applier.prune(manifests, snapshot.objects, stack.uid)
                changes += await apply(_of(manifests, Wave.REST))
        changes += beside.result()
    else:
        changes += await applier.prune(manifests, snapshot.objects, stack.uid)
    for outdated in snapshot.outdated_migrations(migration, stack.uid):
        await applier.delete(outdated)
    if plan.passage.delete and key_of(migration) in snapshot.objects:
        await applier.delete(snapshot.objects[key_of(migration)])
    return changes


def _of(manifests: Sequence[Manifest], wave: Wave) -> list[Manifest]:
    return [manifest for manifest in manifests if kind_of(manifest).wave is wave]
