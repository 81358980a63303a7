"""The Cluster of CloudNativePG and the schedule of its base backups, where a stack has its database made."""

from typing import Any, Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import RESERVED_LABEL
from loppestars_operator.rendering.context import API, CRAWLER, IMAGING, JOBS, RenderContext, without_none
from loppestars_operator.spec.cloud_native_pg import CLUSTER, CloudNativePG, PhysicalBackups

API_VERSION: Final = "postgresql.cnpg.io/v1"
# Also the names of CloudNativePG's own defaults would do; ours stay when those change.
DATABASE: Final = "loppestars"
ORIGIN: Final = "origin"


def render_cloud_native_pg(context: RenderContext) -> list[Manifest]:
    """Return the Cluster, and a ScheduledBackup where it has a bucket."""
    chosen = context.spec.database.cloud_native_pg
    if chosen is None:
        return []
    return [
        render_cluster(context, chosen),
        *([render_scheduled_backup(context, chosen.backups)] if chosen.backups else []),
    ]


def role_name(component: str) -> str:
    """Return the PostgreSQL role of a component; its Secret says the same as `username`."""
    return f"{DATABASE}_{component}"


def render_cluster(context: RenderContext, chosen: CloudNativePG) -> Manifest:
    """Return the Cluster: its instances, where it begins, its roles, its bucket."""
    backups, name = chosen.backups, context.named(CLUSTER)
    stored = _store(backups, backups.server_name or name) if backups else None
    spec: dict[str, Any] = without_none(
        {
            "instances": chosen.instances,
            "imageName": chosen.image,
            "enableSuperuserAccess": False,
            # The Secrets that CloudNativePG makes are for this stack.
            "inheritedMetadata": {"labels": {RESERVED_LABEL: context.name}},
            "storage": without_none({"size": chosen.storage.size, "storageClass": chosen.storage.storage_class}),
            "resources": chosen.resources.to_json() if chosen.resources else None,
            **beginning(chosen),
            # The migration works as the owner, who is CloudNativePG's.
            "managed": {
                "roles": [
                    {"name": role_name(name), "ensure": "present", "login": True, "passwordSecret": {"name": role.name}}
                    for name in (API, IMAGING, CRAWLER, JOBS)
                    if (role := context.spec.database.role_of(name))
                ]
            },
            "backup": {"retentionPolicy": backups.retention, "barmanObjectStore": stored} if backups else None,
        }
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "Cluster",
        "metadata": context.metadata(name, CLUSTER),
        "spec": spec,
    }


def beginning(chosen: CloudNativePG) -> dict[str, Any]:
    """Return the fields that CloudNativePG reads once: an empty database, or another Cluster's at a moment."""
    names = {"database": DATABASE, "owner": DATABASE}
    if chosen.recovery is None or chosen.backups is None:
        return {"bootstrap": {"initdb": {**names, "dataChecksums": True, "encoding": "UTF8"}}}
    target = chosen.recovery.target_time
    recovery = {"source": ORIGIN, **names, **({"recoveryTarget": {"targetTime": target}} if target else {})}
    origin = {"name": ORIGIN, "barmanObjectStore": _store(chosen.backups, chosen.recovery.server_name)}
    return {"bootstrap": {"recovery": recovery}, "externalClusters": [origin]}


def _store(backups: PhysicalBackups, server_name: str) -> dict[str, Any]:
    secret = backups.credentials_secret_ref
    keys = (
        {
            "accessKeyId": {"name": secret.name, "key": secret.access_key_id_key},
            "secretAccessKey": {"name": secret.name, "key": secret.secret_access_key_key},
        }
        if secret
        else {"inheritFromIAMRole": True}
    )
    store = {"destinationPath": f"s3://{backups.bucket}/", "endpointURL": backups.endpoint, "serverName": server_name}
    found: dict[str, Any] = without_none({**store, "s3Credentials": keys, "wal": {"compression": "gzip"}})
    return found


def render_scheduled_backup(context: RenderContext, backups: PhysicalBackups) -> Manifest:
    """Return the schedule of base backups."""
    # CloudNativePG's schedules begin with seconds.
    schedule = backups.schedule if backups.schedule.startswith("@") else f"0 {backups.schedule}"
    return {
        "apiVersion": API_VERSION,
        "kind": "ScheduledBackup",
        "metadata": context.metadata(context.named(CLUSTER), CLUSTER),
        "spec": {
            "schedule": schedule,
            "immediate": True,
            "suspend": False,
            "backupOwnerReference": "cluster",
            "method": "barmanObjectStore",
            "cluster": {"name": context.named(CLUSTER)},
        },
    }
