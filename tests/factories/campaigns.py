"""Campaigns: many small trials of one kind over the API server in memory, counted, and every surprise named.

A trial breaks something, lets the operator go on until nothing changes, and compares with a fresh install. With
`CAMPAIGNS=long` all trials are made, else an even choice of them. What is known and harmless is explained next to it.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from loppestars_operator.kinds import OWNED_KINDS, STACK
from loppestars_operator.kube.transport import NoAnswer, Request, Response
from loppestars_operator.naming import RENDERING_ANNOTATION
from tests.factories.fake_kube import FakeKube
from tests.factories.passes import KEY, Passes

Json = dict[str, Any]
Trial = TypeVar("Trial")
LONG: Final = os.environ.get("CAMPAIGNS") == "long"
SHORT_TRIALS: Final = 5
UNKEPT: Final = frozenset(
    {"uid", "resourceVersion", "generation", "managedFields", "creationTimestamp", "ownerReferences"}
)


@dataclass
class Campaign:
    """Counts trials and alarms; `explained` maps words of an alarm to why it is none."""

    name: str
    explained: Mapping[str, str] = field(default_factory=dict)
    trials: int = 0
    alarms: list[str] = field(default_factory=list)

    def choose(self, trials: Sequence[Trial]) -> Iterator[Trial]:
        """Yield all trials, or an even choice of them, and count them."""
        step = 1 if LONG else max(1, len(trials) // SHORT_TRIALS)
        for trial in trials[::step]:
            self.trials += 1
            yield trial

    def alarm(self, trial: object, what: str) -> None:
        """Note that a trial ended otherwise than it should."""
        if not any(words in what for words in self.explained):
            self.alarms.append(f"{trial}: {what}")

    def compare(self, trial: object, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        """Note each object that is not as it should be."""
        for key in sorted(found.keys() | wanted.keys()):
            if found.get(key) != wanted.get(key):
                self.alarm(trial, f"{key} is {found.get(key)!r:.600}, not {wanted.get(key)!r:.600}")

    def close(self) -> None:
        """Print the count and hold that no alarm is left."""
        sys.stdout.write(f"\n{self.name}: {self.trials} trials, {len(self.alarms)} alarms\n")
        assert self.trials
        assert not self.alarms, "\n".join(self.alarms[:5])


class Killed(Exception):
    """The process is gone; nothing after it happens."""


@dataclass
class Breaking(FakeKube):
    """An API server whose nth call, or nth write, goes wrong in one way."""

    at: int = 0
    how: str = ""
    writes_only: bool = False
    seen: int = 0
    dead: bool = False

    async def send(self, request: Request) -> Response:
        """Answer one call, unless it is the one."""
        if self.dead:
            raise Killed
        if self.writes_only and request.method == "GET":
            return await super().send(request)
        self.seen += 1
        if self.seen != self.at:
            return await super().send(request)
        match self.how:
            case "killed before":
                self.dead = True
                raise Killed
            case "killed after":
                await super().send(request)
                self.dead = True
                raise Killed
            case "lost":
                raise NoAnswer("TimeoutError")
            case "answer lost":
                await super().send(request)
                raise NoAnswer("connection reset")
            case _:
                status = int(self.how)
                body = f'{{"kind":"Status","code":{status},"reason":"Struck","message":"struck"}}'
                return Response(status, body.encode())

    def mend(self) -> None:
        """Let nothing go wrong any more."""
        self.dead, self.at = False, 0


async def settle(passes: Passes, *, steps: int = 3) -> None:
    """Let a process go on until nothing changes, whatever its passes run into."""
    for _ in range(steps):
        with contextlib.suppress(Exception):
            await passes.ready()
        # Whatever is waited for by the clock has come by then.
        passes.wait(seconds=30)


async def fresh(change: Callable[[Passes], None], **options: Any) -> Json:
    """Return the state of a cluster into which this was installed without any trouble."""
    passes = Passes(**options)
    change(passes)
    await settle(passes)
    return state(passes.kube)


def state(kube: FakeKube, *, without: Sequence[str] = ()) -> Json:
    """Return what counts of all objects of the stack: no UIDs or times, nor the number of pods an autoscaler chose."""
    objects: Json = {}
    scaled = {body["metadata"]["name"] for body in kube.all(_kind("HorizontalPodAutoscaler"), KEY.namespace)}
    for kind in OWNED_KINDS:
        if kind.kind in without or (kind.addon and kind.group not in kube.addons):
            continue
        for body in kube.all(kind, KEY.namespace):
            meta = {name: value for name, value in body["metadata"].items() if name not in UNKEPT}
            # A hash of all, the owner's UID included.
            annotations = meta.get("annotations", {})
            meta["annotations"] = {name: text for name, text in annotations.items() if name != RENDERING_ANNOTATION}
            kept = {name: value for name, value in body.items() if name not in {"metadata", "status"}}
            if kind.kind == "Deployment" and meta["name"] in scaled:
                kept = {**kept, "spec": {name: value for name, value in kept["spec"].items() if name != "replicas"}}
            objects[f"{kind.kind} {meta['name']}"] = by_name({**kept, "metadata": meta})
    stack = kube.find(STACK, KEY.name)
    if stack:
        status = stack.get("status") or {}
        objects["status"] = {name: status.get(name) for name in ("phase", "version", "url", "observedGeneration")}
        objects["status"].pop("observedGeneration")
        objects["conditions"] = {
            condition["type"]: (condition["status"], condition["reason"])
            for condition in status.get("conditions") or ()
            if condition["type"] != "Hibernated"
        }
    return objects


def by_name(value: Any) -> Any:
    """Return a value whose lists of named things are in the order of names: an apply adds to the end of such a list."""
    if isinstance(value, dict):
        return {name: by_name(child) for name, child in value.items()}
    if not isinstance(value, list):
        return value
    named = all(isinstance(child, dict) and "name" in child for child in value)
    children = [by_name(child) for child in value]
    return sorted(children, key=lambda child: str(child["name"])) if named else children


def _kind(name: str) -> Any:
    return next(kind for kind in OWNED_KINDS if kind.kind == name)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value in a JSON tree that holds no others."""
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from leaves(child, (*path, name))
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            yield from leaves(child, (*path, index))
    else:
        yield path


def put_at(body: Json, path: Sequence[str | int], value: Any) -> None:
    """Set the value at a path."""
    at: Any = body
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value


def value_at(body: Json, path: Sequence[str | int]) -> Any:
    """Return the value at a path."""
    at: Any = body
    for step in path:
        at = at[step]
    return at
