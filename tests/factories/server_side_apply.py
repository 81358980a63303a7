"""Server-side apply as far as the operator's objects need it: field sets, managers, conflicts, removal.

A field is a path of steps: `f:name` in a map, `k:{"name":"x"}` in a list that is merged by keys. What the API server
reads from its schema, how a list is merged, is written down here for the kinds that the operator owns.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

Path = tuple[str, ...]
Json = dict[str, Any]

KEYS = {
    "components": ("name",),
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
ATOMIC = {"labelSelector", "matchLabels", "nodeSelector", "podSelector", "secretKeyRef", "selector", "affinity"}
# What the API server itself fills in or what names the object: owned by no manager.
SYSTEM = {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}


class Conflict(Exception):
    """Another manager owns a field that would change."""


def apply(live: Json | None, wanted: Json, manager: str, *, force: bool, subresource: str = "") -> Json:
    """Return the object after an apply.

    Raises:
        Conflict: another manager's field would change, and `force` is not set.
    """
    result = copy.deepcopy(live) if live else {**wanted, "metadata": dict(wanted["metadata"])}
    entries = managers_of(result)
    mine = (manager, "Apply", subresource)
    leaves = dict(_leaves_of(wanted))
    for key, owned in entries.items():
        if key == mine:
            continue
        taken = {path for path in owned & leaves.keys() if _get(result, path) != leaves[path]}
        if taken and not force:
            raise Conflict(f"conflict with {key[0]!r}: {'.'.join(step[2:] for step in min(taken))}")
        entries[key] = owned - taken
    for path, value in leaves.items():
        _set(result, path, copy.deepcopy(value), wanted)
    others = set().union(*(owned for key, owned in entries.items() if key != mine))
    for path in entries.get(mine, set()) - leaves.keys() - others:
        # An empty value that was filled is not a removal.
        if not any(leaf[: len(path)] == path for leaf in leaves):
            _delete(result, path)
    entries[mine] = set(leaves)
    return _with_managers(result, entries)


def update(live: Json, changed: Json, manager: str, subresource: str = "") -> Json:
    """Return the object after any other write: what changed is now the writer's."""
    before, after = dict(_leaves_of(live)), dict(_leaves_of(changed))
    differing = {path for path in after if before.get(path) != after[path]}
    entries = {key: (owned & after.keys()) - differing for key, owned in managers_of(live).items()}
    mine = (manager, "Update", subresource)
    entries[mine] = entries.get(mine, set()) | differing
    listed = changed["metadata"].get("managedFields")
    if listed is not None and listed != live["metadata"].get("managedFields"):
        entries = {key: owned for key, owned in managers_of(changed).items() if owned}
    return _with_managers(copy.deepcopy(changed), entries)


def managers_of(body: Json) -> dict[tuple[str, str, str], set[Path]]:
    """Return the fields of each manager, operation and subresource."""
    return {
        (entry["manager"], entry["operation"], entry.get("subresource", "")): set(_paths(entry["fieldsV1"], ()))
        for entry in body["metadata"].get("managedFields") or ()
    }


def _with_managers(body: Json, entries: dict[tuple[str, str, str], set[Path]]) -> Json:
    body["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": body["apiVersion"],
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(owned),
            **({"subresource": subresource} if subresource else {}),
        }
        for (manager, operation, subresource), owned in entries.items()
        if owned
    ]
    return body


def _leaves_of(body: Json) -> Iterator[tuple[Path, Any]]:
    content = {key: value for key, value in body.items() if key not in {"apiVersion", "kind", "metadata"}}
    metadata = {key: value for key, value in body["metadata"].items() if key not in SYSTEM}
    whole = {**content, **({"metadata": metadata} if metadata else {})}
    if whole:
        yield from _leaves(whole, (), "")


def _leaves(value: Any, path: Path, name: str) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value and name not in ATOMIC:
        for key, child in value.items():
            yield from _leaves(child, (*path, f"f:{key}"), key)
    elif isinstance(value, list) and value and (keys := keys_of(name, value)):
        for item in value:
            step = "k:" + json.dumps({key: item[key] for key in keys if key in item}, separators=(",", ":"))
            yield from _leaves(item, (*path, step), "")
    else:
        yield path, value


def keys_of(name: str, items: list[Any]) -> tuple[str, ...]:
    """Return the keys by which a list is merged; none for one that is replaced as a whole."""
    if not isinstance(items[0], dict):
        return ()
    if name == "ports":
        number = "containerPort" if "containerPort" in items[0] else "port"
        return (number, "protocol") if "protocol" in items[0] and "name" in items[0] else ()
    return KEYS.get(name, ())


def _paths(tree: Json, path: Path) -> Iterator[Path]:
    children = {name: child for name, child in tree.items() if name != "."}
    if not children and path:
        yield path
    for name, child in children.items():
        yield from _paths(child, (*path, name))


def _tree(paths: set[Path]) -> Json:
    tree: Json = {}
    for path in sorted(paths):
        node = tree
        for step in path:
            node = node.setdefault(step, {".": {}} if step.startswith("k:") else {})
    return tree


def _item(items: list[Any], step: str) -> Any:
    key = json.loads(step[2:])
    return next((item for item in items if key.items() <= item.items()), None)


def _get(body: Any, path: Path) -> Any:
    for step in path:
        if body is None:
            return None
        body = body.get(step[2:]) if step.startswith("f:") else _item(body, step)
    return body


def _set(body: Any, path: Path, value: Any, wanted: Json) -> None:
    for step, following in zip(path, (*path[1:], None), strict=True):
        if following is None:
            body[step[2:]] = value
        elif step.startswith("f:"):
            body = body.setdefault(step[2:], [] if following.startswith("k:") else {})
        else:
            item = _item(body, step)
            if item is None:
                item = dict(json.loads(step[2:]))
                body.append(item)
            body = item


def _delete(body: Json, path: Path) -> None:
    parents = [body]
    for step in path[:-1]:
        child = parents[-1].get(step[2:]) if step.startswith("f:") else _item(parents[-1], step)
        if child is None:
            return
        parents.append(child)
    keys = json.loads(path[-2][2:]) if len(path) > 1 and path[-2].startswith("k:") else {}
    if path[-1][2:] not in keys:
        parents[-1].pop(path[-1][2:], None)
    # A list's item of which only its key was left, and a map that is empty, go too.
    for parent, child, step in reversed(list(zip(parents, parents[1:], path, strict=False))):
        if step.startswith("k:") and child.keys() <= json.loads(step[2:]).keys():
            parent.remove(child)
        elif step.startswith("f:") and not child:
            parent.pop(step[2:], None)
