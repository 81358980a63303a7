"""Writing the status of a custom resource."""

from http import HTTPStatus
from typing import Any

from loppestars_operator import metrics
from loppestars_operator.kinds import Manifest, ObjectKey, OwnedKind
from loppestars_operator.kube.client import KubeClient, KubeError
from loppestars_operator.naming import FIELD_MANAGER


async def write_status(
    kube: KubeClient, kind: OwnedKind, key: ObjectKey, uid: str, status: dict[str, Any]
) -> Manifest | None:
    """Apply a status and return the object, or None where the object is gone.

    The status subresource takes no notice of a UID, so a status may land on a new object of the same name. It is then
    taken back at once: a new stack must not believe that its database was migrated.
    """
    path = f"{kind.path(key.namespace, key.name)}/status"
    body: Manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": key.name, "namespace": key.namespace},
        "status": status,
    }
    try:
        live, _ = await kube.apply(path, body)
        if live["metadata"]["uid"] != uid:
            version, nothing = live["metadata"]["resourceVersion"], [{"op": "remove", "path": "/status"}]
            live = await kube.edit(path, nothing, version=version, manager=FIELD_MANAGER)
    except KubeError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    metrics.WRITES.labels(kind.kind, "status").inc()
    return live
