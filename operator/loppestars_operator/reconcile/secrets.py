"""Secrets that stacks name: whether they exist and whether they changed. Off by default.

Only metadata is asked for, so no value ever enters this process; the right to `get` them is optional in the chart.
Without it a missing Secret is told by the pod that cannot start.
"""

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from loppestars_operator.kinds import SECRET
from loppestars_operator.kube.client import METADATA, KubeClient, KubeError
from loppestars_operator.naming import StackKey
from loppestars_operator.plan.rollout import resolve_images
from loppestars_operator.problems import Problem
from loppestars_operator.rendering import environment
from loppestars_operator.rendering.context import ClusterFacts, RenderContext
from loppestars_operator.spec import Stack

LOOK_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Secrets:
    """Versions by name; problems for those that are missing; when to look again."""

    versions: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    look_again: float | None = None


class SecretReader:
    """Reads the metadata of Secrets, each at most once in twenty seconds."""

    def __init__(self, kube: KubeClient, *, enabled: bool) -> None:
        self._kube = kube
        self._enabled = enabled
        self._known: dict[tuple[StackKey, str], tuple[float, str | None]] = {}
        self._last: dict[tuple[StackKey, str], str] = {}

    async def read(self, stack: Stack) -> Secrets:
        """Look at the Secrets that a stack's pods use."""
        if not self._enabled:
            return Secrets()
        versions, problems = {}, []
        for name in secrets_of(stack):
            version = await self._version(stack.key, name)
            if version is None:
                problems.append(_missing(stack, name))
            # One that is made anew passes through a moment without it, which must not roll the pods as well.
            if version := version or self._last.get((stack.key, name)):
                versions[name] = self._last[stack.key, name] = version
        return Secrets(versions, tuple(problems), LOOK_SECONDS)

    def forget(self, key: StackKey) -> None:
        """Drop what is remembered of a stack that is gone."""
        for name in [name for stack, name in self._known if stack == key]:
            self._known.pop((key, name))
            self._last.pop((key, name), None)

    async def _version(self, key: StackKey, name: str) -> str | None:
        """Return the version, None for a Secret that is not there, and nothing for one that may not be read."""
        read_at, version = self._known.get((key, name), (0.0, None))
        if version is not None and time.monotonic() - read_at < LOOK_SECONDS:
            return version
        try:
            secret = await self._kube.get(SECRET.path(key.namespace, name), accept=METADATA)
        except KubeError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise
            version = None if error.status == HTTPStatus.NOT_FOUND else ""
        else:
            version = f"{secret['metadata']['uid']}/{secret['metadata']['resourceVersion']}"
        self._known[key, name] = (time.monotonic(), version)
        return version


def secrets_of(stack: Stack) -> list[str]:
    """Return the names of all Secrets that a stack's pods read variables from."""
    context = RenderContext(stack, resolve_images(stack.spec), ClusterFacts())
    spec = stack.spec
    variables = [
        *environment.with_extra(environment.api(context), spec.api.pod),
        *environment.with_extra(environment.imaging(context), spec.imaging.pod),
        *environment.with_extra(environment.crawler(context), spec.crawler.pod),
        *environment.with_extra(environment.jobs(context), spec.jobs.pod),
        *environment.migrate(context),
        *(environment.backup(context, spec.backup) if spec.backup else []),
    ]
    return environment.secret_names(variables)


def _missing(stack: Stack, name: str) -> Problem:
    message = f"Secret {name} does not exist in namespace {stack.key.namespace}; create it, and the stack goes on"
    return Problem("SecretMissing", message, transient=False)
