"""Has a live object drifted from what is rendered? Decided by reading, never by a dry run.

managedFields say both which fields are ours and how each list is merged (`k:` by keys, `v:` as a set, neither: as a
whole), so no schema is needed here. A field that somebody else changed is no longer ours there, even where its value
still contains what we rendered; what others added beside our fields is theirs and left alone.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import FIELD_MANAGER
from loppestars_operator.spec.quantities import quantity

Fields = dict[str, Any]

_OWN: Final = "."
_QUANTITIES: Final = frozenset({"requests", "limits", "sizeLimit"})


def find_drift(rendered: Manifest, live: Manifest, manager: str = FIELD_MANAGER) -> str | None:
    """Return the path of the first field that is not as rendered, or None."""
    fields = owned_fields(live, manager)
    if fields is None:
        return "metadata.managedFields"
    metadata = {key: rendered["metadata"].get(key, {}) for key in ("labels", "annotations", "ownerReferences")}
    content = {key: value for key, value in rendered.items() if key not in {"apiVersion", "kind", "metadata"}}
    return _compare({"metadata": metadata, **content}, live, fields, "")


def owned_fields(live: Manifest, manager: str = FIELD_MANAGER) -> Fields | None:
    """Return the field set that the manager applied, or None where it applied nothing."""
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry.get("fieldsV1") or {}
    return None


def crowded_lists(rendered: Manifest, live: Manifest) -> dict[str, Any]:
    """Return our lists in which others have items too: the list as rendered, by its JSON pointer.

    Such items stay, unless they keep ours out: a port under another number that has our port's name.
    """
    content = {key: value for key, value in rendered.items() if key not in {"apiVersion", "kind", "metadata"}}
    return dict(_crowded(content, live, ""))


def _crowded(rendered: Any, live: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(rendered, dict) and isinstance(live, dict):
        for key, value in rendered.items():
            # RFC 6901 escapes these two.
            yield from _crowded(value, live.get(key), f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
        return
    both_lists = isinstance(rendered, list) and isinstance(live, list)
    if both_lists and rendered and all(isinstance(item, dict) for item in rendered):
        if all(any(_contains(ours, item, "") for ours in rendered) for item in live):
            return
        yield pointer, rendered


def _compare(rendered: Any, live: Any, fields: Fields, path: str) -> str | None:
    if isinstance(rendered, dict) and rendered:
        return _compare_map(rendered, live, fields, path)
    if isinstance(rendered, list) and rendered:
        if not isinstance(live, list):
            return path
        keyed = {name: child for name, child in fields.items() if name.startswith("k:")}
        if keyed:
            return _compare_keyed(rendered, live, keyed, path)
        values = any(name.startswith("v:") for name in fields)
        same = all(item in live for item in rendered) if values else _contains(rendered, live, path)
        return None if same else path
    return None if _equal(rendered, live, path) else path


def _compare_map(rendered: Manifest, live: Any, fields: Fields, path: str) -> str | None:
    if not isinstance(live, dict):
        return path
    if all(name == _OWN for name in fields):
        return None if _contains(rendered, live, path) else path
    for key, value in rendered.items():
        where = f"{path}.{key}" if path else key
        child = fields.get(f"f:{key}")
        if child is None:
            # An empty value has no field of its own in some places.
            if value in ({}, [], "") and live.get(key) in ({}, [], "", None):
                continue
            return where
        if (found := _compare(value, live.get(key), child, where)) is not None:
            return found
    return None


def _compare_keyed(rendered: list[Any], live: list[Any], keyed: Fields, path: str) -> str | None:
    keys = [(json.loads(name[2:]), child) for name, child in keyed.items()]
    for item in rendered:
        match = next(((key, child) for key, child in keys if key.items() <= item.items()), None)
        label = next((str(item[name]) for name in ("name", "uid", "topologyKey", "mountPath") if name in item), "?")
        where = f"{path}[{label}]"
        if match is None:
            return where
        key, child = match
        there = next((item for item in live if key.items() <= item.items()), None)
        if (found := _compare(item, there, child, where)) is not None:
            return found
    return None


def _contains(rendered: Any, live: Any, path: str) -> bool:
    """Return whether an atomic value is as rendered; the API server may have added defaults inside."""
    if isinstance(rendered, dict):
        return isinstance(live, dict) and all(
            _contains(value, live.get(key), f"{path}.{key}") for key, value in rendered.items()
        )
    if isinstance(rendered, list):
        return (
            isinstance(live, list)
            and len(rendered) == len(live)
            and all(_contains(item, other, path) for item, other in zip(rendered, live, strict=True))
        )
    return _equal(rendered, live, path)


def _equal(rendered: Any, live: Any, path: str) -> bool:
    if rendered == live:
        return True
    if not _QUANTITIES.isdisjoint(path.split(".")):
        wanted, actual = quantity(str(rendered)), quantity(str(live))
        return wanted is not None and wanted == actual
    return False
