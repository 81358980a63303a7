"""A strategic patch on the pod template of a component: the way out where no field of the spec will do.

Maps are merged, lists of named things by their names, and any other list is replaced, as `kubectl patch` does. What is
asked for is seen as paths of leaves, `spec.volumes.cache.emptyDir.medium`, by which a policy bounds it.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import Field

PodTemplate = Annotated[
    dict[str, Any],
    Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True, "additionalProperties": None}),
]
# By which of their fields the items of a list are told apart; the API server merges by the same.
MERGE_KEYS: Final = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}

_SECRET_PATHS: Final = (".secretKeyRef.name", ".secretRef.name", ".secret.secretName", ".secret.name")


def merge(own: Any, patch: Any, name: str = "") -> Any:
    """Return a value with a patch laid over it; a null takes away."""
    if isinstance(own, dict) and isinstance(patch, dict):
        merged = {**own, **{key: merge(own.get(key), value, key) for key, value in patch.items()}}
        return {key: value for key, value in merged.items() if value is not None}
    key = MERGE_KEYS.get(name)
    if key is None or not isinstance(own, list) or not isinstance(patch, list):
        return patch
    asked = {item[key]: item for item in patch if isinstance(item, dict) and key in item}
    known = [item[key] for item in own]
    return [
        *(merge(item, asked[item[key]]) if item[key] in asked else item for item in own),
        *(item for found, item in asked.items() if found not in known),
    ]


def secrets_in(patch: Any) -> set[str]:
    """Return the names of the Secrets that a patch has mounted or read as variables."""
    return {str(value) for path, value in leaves(patch) if path.endswith(_SECRET_PATHS)}


def leaves(patch: Any, path: str = "", name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of each leaf; items of a list are named as they are merged, or counted."""
    if isinstance(patch, dict) and patch:
        for key, value in patch.items():
            yield from leaves(value, f"{path}.{key}" if path else key, key)
    elif isinstance(patch, list) and patch:
        for number, item in enumerate(patch):
            key = MERGE_KEYS.get(name, "")
            label = item.get(key, number) if isinstance(item, dict) else number
            yield from leaves(item, f"{path}.{str(label).replace('.', '_')}")
    else:
        yield path, patch
