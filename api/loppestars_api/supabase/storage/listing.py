"""Lists of objects as clients read them: files and folders of one level, or keys page by page. Pure."""

import mimetypes
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from loppestars_api.supabase.storage.bodies import MAX_LIST, ListBody, ListV2Body
from loppestars_api.supabase.storage.objects import CACHE_CONTROL, entity_tag, object_id
from loppestars_core.storage import ObjectInfo

Entry = dict[str, Any]


def file_entry(bucket: str, info: ObjectInfo, name: str) -> Entry:
    """Return a file in a list."""
    at = info.modified_at.isoformat()
    metadata = {
        "eTag": entity_tag(info),
        "size": info.size,
        "mimetype": mimetypes.guess_type(info.key)[0] or "application/octet-stream",
        "cacheControl": CACHE_CONTROL,
        "lastModified": at,
        "contentLength": info.size,
        "httpStatusCode": 200,
    }
    times = {"updated_at": at, "created_at": at, "last_accessed_at": at}
    return {"name": name, "id": object_id(bucket, info.key), **times, "metadata": metadata}


def folder_of(prefix: str) -> str:
    """Return the folder that `prefix` names, with its slash; empty for the top."""
    return f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def level(bucket: str, found: Sequence[ObjectInfo], body: ListBody) -> list[Entry]:
    """Return a page of what lies directly in the folder; folders have no id."""
    folder, wanted = folder_of(body.prefix), (body.search or "").lower()
    entries: dict[str, Entry] = {}
    for info in found:
        if not info.key.startswith(folder):
            continue
        name, inside, _ = info.key[len(folder) :].partition("/")
        if name.lower().startswith(wanted) and name not in entries:
            entries[name] = _folder_entry(name) if inside else file_entry(bucket, info, name)
    sort = body.sort_by
    column = sort.column if sort else "name"
    ordered = sorted(
        entries.values(),
        key=lambda entry: (str(entry[column] or ""), entry["name"]),
        reverse=bool(sort and sort.order == "desc"),
    )
    return ordered[body.offset : body.offset + min(body.limit, MAX_LIST)]


def page(bucket: str, found: Sequence[ObjectInfo], body: ListV2Body) -> Entry:
    """Return a page of keys that begin with the prefix, and the cursor of the next one."""
    entries: dict[str, ObjectInfo | None] = {}
    for info in found:
        if not info.key.startswith(body.prefix):
            continue
        head, slash, _ = info.key[len(body.prefix) :].partition("/")
        grouped = body.with_delimiter and slash
        entries.setdefault(f"{body.prefix}{head}/" if grouped else info.key, None if grouped else info)
    backwards = bool(body.sort_by and body.sort_by.order == "desc")
    after = _decoded(body.cursor)
    names = [
        name
        for name in sorted(entries, reverse=backwards)
        if not after or (name < after if backwards else name > after)
    ]
    shown = names[: min(body.limit, MAX_LIST)]
    folders = [{"key": name, "name": name} for name in shown if entries[name] is None]
    objects = [
        {**file_entry(bucket, stored, name), "key": name} for name in shown if (stored := entries[name]) is not None
    ]
    more = len(names) > len(shown)
    following = {"nextCursor": urlsafe_b64encode(shown[-1].encode()).decode()} if more else {}
    return {"hasNext": more, "folders": folders, "objects": objects, **following}


def _folder_entry(name: str) -> Entry:
    return {
        "name": name,
        "id": None,
        "updated_at": None,
        "created_at": None,
        "last_accessed_at": None,
        "metadata": None,
    }


def _decoded(cursor: str | None) -> str:
    try:
        return urlsafe_b64decode(cursor or "").decode()
    except ValueError:
        return ""
