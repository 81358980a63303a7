"""Each field that the operator owns is edited or taken away, and is put right.

The fields are those of the live objects' managedFields, so none that is rendered is forgotten. A run edits every
seventh of them; `LOPPESTARS_EVERY_FIELD=1` edits all.
"""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from loppestars_operator.kinds import OWNED_KINDS, Manifest, OwnedKind
from loppestars_operator.kube.client import KubeError
from loppestars_operator.reconcile.drift import owned_fields
from tests.factories.cluster_client import Client, eventually
from tests.factories.operator_process import OperatorProcess

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
HEALS_WITHIN = 2.0
STEP = 1 if os.environ.get("LOPPESTARS_EVERY_FIELD") else 7
AT_ONCE = 4
REFUSED = {400, 403, 404, 409, 422}
FULL: dict[str, Any] = {
    "api": {
        "autoscaling": {"minReplicas": 1, "maxReplicas": 4},
        "pod": {
            "labels": {"team": "web"},
            "annotations": {"note": "one"},
            "env": [{"name": "EXTRA", "value": "1"}],
            "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "web", "effect": "NoSchedule"}],
        },
    },
    "ingress": {"host": "loppestars.example.com", "tls": {"secretName": "tls"}},
    "networkPolicy": {"database": {"ports": [5432], "cidrs": ["10.20.0.0/24"]}},
}
Pointer = tuple[str | int, ...]


def leaves(fields: dict[str, Any], live: Any, path: Pointer = ()) -> Iterator[Pointer]:
    """Paths of the values that a field set owns."""
    inner = {name: child for name, child in fields.items() if name != "."}
    if not inner:
        yield path
    for name, child in inner.items():
        kind, _, key = name.partition(":")
        if kind == "f" and key in live:
            yield from leaves(child, live[key], (*path, key))
        elif kind == "k":
            wanted = json.loads(key)
            found = next((index for index, item in enumerate(live) if wanted.items() <= item.items()), None)
            if found is not None:
                yield from leaves(child, live[found], (*path, found))


def at(document: Any, path: Pointer) -> Any:
    for part in path:
        document = document[part]
    return document


def other(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, dict) and value:
        first = next(iter(value))
        return {**value, first: other(value[first])}
    if isinstance(value, list) and value:
        return [other(value[0]), *value[1:]]
    return None


def edits(live: Manifest) -> Iterator[list[dict[str, Any]]]:
    """A JSON patch for each owned value: changed, and taken away."""
    for path in leaves(owned_fields(live) or {}, live):
        pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
        if (changed := other(at(live, path))) is not None:
            yield [{"op": "replace", "path": pointer, "value": changed}]
        yield [{"op": "remove", "path": pointer}]


class Tally:
    def __init__(self) -> None:
        self.times: list[float] = []
        self.refused = 0
        self.without_effect = 0


async def heal(client: Client, kind: OwnedKind, name: str, patch: list[dict[str, Any]], tally: Tally) -> None:
    """Edit, and wait until what is rendered stands again."""
    before = await client.get(kind, name)
    assert before
    try:
        edited = await client.kube.call(
            "PATCH",
            kind.path(client.namespace, name),
            body=patch,
            params={"fieldManager": "kubectl-edit"},
            content_type="application/json-patch+json",
        )
    except KubeError as error:
        if error.status not in REFUSED:
            raise
        tally.refused += 1
        return
    owned = owned_fields(before) or {}
    wanted = owned_values(owned, before)
    if owned_values(owned, edited) == wanted:
        tally.without_effect += 1  # the API server put the default back by itself
        return
    began = time.monotonic()

    async def healed() -> bool:
        live = await client.get(kind, name)
        return live is not None and owned_values(owned, live) == wanted

    try:
        await eventually(healed, within=10)
    except AssertionError:
        raise AssertionError(f"{kind.kind}/{name}: {patch} was not put right") from None
    tally.times.append(time.monotonic() - began)


def owned_values(fields: dict[str, Any], live: Any, path: str = "") -> dict[str, Any]:
    """Every value that a field set speaks of, as it is in an object; lists by the keys of their items.

    What others add beside it, as an item of their own in a keyed list, is theirs and stays.
    """
    inner = {name: child for name, child in fields.items() if name != "."}
    if not inner:
        return {path: live}
    values = {}
    for name, child in inner.items():
        kind, _, key = name.partition(":")
        if kind == "f":
            there = live.get(key) if isinstance(live, dict) else None
        elif kind == "k":
            wanted = json.loads(key)
            there = next((item for item in live or () if wanted.items() <= item.items()), None)
        else:
            there = json.loads(key) in (live or ())
        values |= owned_values(child, there, f"{path}/{name}")
    return values


class TestEveryField:
    """Each field that the operator owns is edited or taken away, and is put right."""

    async def test_every_owned_field_is_put_right(self, client: Client, operator: OperatorProcess) -> None:
        """Within 2 seconds each (99th percentile), whatever kind of value, list or map it is."""
        await client.apply_stack(**FULL)
        await client.ready()
        jobs: list[tuple[OwnedKind, str, list[dict[str, Any]]]] = []
        for kind in OWNED_KINDS:
            if kind.addon or kind.kind == "Job":
                continue
            for live in await client.list(kind):
                if live["metadata"].get("ownerReferences") and owned_fields(live):
                    jobs += [(kind, live["metadata"]["name"], patch) for patch in edits(live)]
        by_object: dict[tuple[str, str], list[tuple[OwnedKind, str, list[dict[str, Any]]]]] = {}
        for job in jobs[::STEP]:
            by_object.setdefault((job[0].kind, job[1]), []).append(job)
        tally, turns = Tally(), asyncio.Semaphore(AT_ONCE)

        async def one_object(edits_of_it: list[tuple[OwnedKind, str, list[dict[str, Any]]]]) -> None:
            for kind, name, patch in edits_of_it:
                async with turns:
                    await heal(client, kind, name, patch, tally)

        await asyncio.gather(*(one_object(edits) for edits in by_object.values()))
        times = sorted(tally.times)
        assert len(times) > 400 / STEP, (
            f"{len(jobs)} edits, {tally.refused} refused, {tally.without_effect} without effect"
        )
        p99 = times[int(len(times) * 0.99)]
        print(f"{len(times)} edits put right, median {times[len(times) // 2]:.2f} s, p99 {p99:.2f} s")  # noqa: T201 - figures
        assert p99 < HEALS_WITHIN
