"""Secrets that stacks name: whether they exist, are reserved to stacks, and have changed.

Only metadata is asked for, so no value ever enters this process; the right to `get` them is optional in the chart.
Without it a missing Secret is reported by the pod that cannot start.
"""

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from loppestars_operator.kinds import SECRET, Manifest
from loppestars_operator.kube.client import METADATA, KubeClient, KubeError
from loppestars_operator.naming import RESERVED_LABEL, StackKey
from loppestars_operator.plan.resolving import resolve_images
from loppestars_operator.problems import Problem
from loppestars_operator.rendering import environment
from loppestars_operator.rendering.context import ClusterFacts, RenderContext
from loppestars_operator.spec import Stack
from loppestars_operator.spec.cloud_native_pg import made_secret
from loppestars_operator.spec.template import secrets_in

LOOK_SECONDS: Final = 20.0
# A label that was found is looked for again at most this often: thousands of stacks name several Secrets each.
RESERVED_SECONDS: Final = 300.0
# Value of the label that reserves a Secret to all stacks of its namespace, rather than to the one it names.
ANY_STACK: Final = "any"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Versions by name; problems for those that are missing; when to look again.

    `refused` says why the stack may not be worked on: a Secret that it names is not one for stacks.
    """

    versions: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    look_again: float | None = None
    refused: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was last seen of a Secret: no version where it is not there, an empty one where it may not be read."""

    at: float
    version: str | None
    reserved_to: str = ""


class SecretReader:
    """Reads the metadata of Secrets, each at most once in twenty seconds.

    `enabled` reports what is missing and what was rotated; `reserved` demands the label by which whoever may write
    Secrets says that stacks may use one.
    """

    def __init__(self, kube: KubeClient, *, enabled: bool, reserved: bool = False) -> None:
        self._kube = kube
        self._enabled = enabled
        self._reserved = reserved
        self._known: dict[tuple[StackKey, str], _Seen] = {}
        self._last: dict[tuple[StackKey, str], str] = {}

    async def read(self, stack: Stack) -> Secrets:
        """Look at the Secrets that a stack's pods use."""
        if not self._enabled and not self._reserved:
            return Secrets()
        versions, problems = {}, []
        for name in secrets_of(stack):
            seen = await self._look(stack.key, name)
            if seen.version is None and stack.spec.database.cloud_native_pg and name == made_secret(stack.key.name):
                continue  # CloudNativePG makes it, once there is a Cluster
            if seen.version is None:
                problems.append(_missing(stack, name))
            elif self._reserved and not seen.version:
                message = f"the operator may not look at Secret {name} and its label: upgrade its chart"
                problems.append(Problem("Forbidden", f"{message}, or set reserveSecrets: false", transient=False))
            elif self._reserved and seen.reserved_to not in {ANY_STACK, stack.key.name}:
                command = f"kubectl -n {stack.key.namespace} label secret {name} {RESERVED_LABEL}={ANY_STACK}"
                message = f"Secret {name} is not reserved to stacks; whoever may write it says so: {command}"
                problems.append(Problem("SecretNotReserved", message, transient=False))
            # One that is made anew passes through a moment without it, which must not roll the pods as well.
            if version := seen.version or self._last.get((stack.key, name)):
                versions[name] = self._last[stack.key, name] = version
        if not self._enabled:
            versions = {}
        refused = next(iter(sorted(problems, key=lambda problem: problem.reason)), None) if self._reserved else None
        return Secrets(versions, tuple(problems), LOOK_SECONDS if self._enabled or problems else None, refused)

    def forget(self, key: StackKey) -> None:
        """Drop what is remembered of a stack that is gone."""
        for name in [name for stack, name in self._known if stack == key]:
            self._known.pop((key, name))
            self._last.pop((key, name), None)

    async def _look(self, key: StackKey, name: str) -> _Seen:
        seen, now = self._known.get((key, name)), time.monotonic()
        good = seen is not None and seen.version and (not self._reserved or seen.reserved_to in {ANY_STACK, key.name})
        patience = LOOK_SECONDS if self._enabled else RESERVED_SECONDS
        if seen is not None and good and now - seen.at < patience:
            return seen
        try:
            secret = await self._kube.get(SECRET.path(key.namespace, name), accept=METADATA)
        except KubeError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                raise
            found = _Seen(now, None if error.status == HTTPStatus.NOT_FOUND else "")
        else:
            meta: Manifest = secret["metadata"]
            label = (meta.get("labels") or {}).get(RESERVED_LABEL, "")
            found = _Seen(now, f"{meta['uid']}/{meta['resourceVersion']}", label)
        self._known[key, name] = found
        return found


def secrets_of(stack: Stack) -> list[str]:
    """Return the names of all Secrets that a stack's pods read variables from."""
    context = RenderContext(stack, resolve_images(stack.spec), ClusterFacts())
    spec = stack.spec
    read = [
        (environment.api(context), spec.api.pod),
        (environment.imaging(context), spec.imaging.pod),
        (environment.crawler(context), spec.crawler.pod),
        (environment.jobs(context), spec.jobs.pod),
        (environment.migrate(context), None),
    ]
    if spec.backup:
        read.append((environment.backup(context, spec.backup), spec.backup.pod))
    made = spec.database.cloud_native_pg
    physical = made.backups.credentials_secret_ref if made and made.backups else None
    scratch = spec.backup.drill.scratch_secret_ref.name if spec.backup and spec.backup.drill else None
    variables = [variable for own, pod in read for variable in environment.with_extra(own, pod)]
    components = [spec.api, spec.imaging, spec.crawler, spec.jobs, *([spec.backup] if spec.backup else [])]
    templates = [component.pod_template for component in components]
    templates += [work.pod_template for work in (spec.database.migration, spec.storage.originals.sweep) if work]
    patched = {name for template in templates for name in secrets_in(template)}
    certificates = spec.ca_bundle.secret_ref if spec.ca_bundle else None
    more = [*([scratch] if scratch else []), *(found.name for found in (certificates, physical) if found)]
    return sorted({*environment.secret_names(variables), *more, *patched})


def _missing(stack: Stack, name: str) -> Problem:
    message = f"Secret {name} does not exist in namespace {stack.key.namespace}; create it, and the stack goes on"
    return Problem("SecretMissing", message, transient=False)
