"""The Job that migrates the database before a version serves."""

from typing import Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.naming import MIGRATION_IMAGE_ANNOTATION, digest
from loppestars_operator.rendering import environment
from loppestars_operator.rendering.backup import backup_plan
from loppestars_operator.rendering.context import BACKUP, MIGRATE, RenderContext
from loppestars_operator.rendering.finite import finite_pod, job_spec
from loppestars_operator.rendering.pods import PodPlan, pod_template
from loppestars_operator.spec.backup import Backup
from loppestars_operator.spec.components import Component

KEPT_SECONDS: Final = 24 * 3600


def render_migration(context: RenderContext) -> Manifest:
    """Return the migration Job.

    A Job's template is immutable, so its name holds a hash of all that could make another try succeed where one
    failed: image, Secrets, limits, and the value of the retry annotation.
    """
    policy, before = context.spec.database.migration, _backup(context)
    spec = job_spec(
        pod_template(context, migration_plan(context)),
        active_deadline_seconds=policy.active_deadline_seconds + (before.active_deadline_seconds if before else 0),
        backoff_limit=policy.backoff_limit,
        ttl_seconds=KEPT_SECONDS,
    )
    name = f"{context.named(MIGRATE)}-{digest([spec, context.stack.retry], 10)}"
    annotations = {MIGRATION_IMAGE_ANNOTATION: context.images.api}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": context.metadata(name, MIGRATE, annotations=annotations),
        "spec": spec,
    }


def _backup(context: RenderContext) -> Backup | None:
    """Return the backup that has to succeed first."""
    settings = context.spec.backup
    return settings if settings and settings.before_migration else None


def migration_plan(context: RenderContext) -> PodPlan:
    """Return the pod that migrates; where the spec says so, only after a backup."""
    api, policy, first = context.spec.api, context.spec.database.migration, _backup(context) is not None
    return PodPlan(
        component=MIGRATE,
        image=context.images.api,
        command=("loppestars-migrate",),
        # Annotations of the API's pods may name its container, and labels may select it: neither is the Job's.
        settings=Component(
            pod=api.pod.model_copy(update={"annotations": None, "labels": None}) if api.pod else None,
            resources=policy.resources,
            pod_template=policy.pod_template,
        ),
        env=environment.migrate(context),
        requests={"cpu": "50m", "memory": "128Mi"},
        limits={"memory": "512Mi"},
        # A pod has one account: the backup's, where the destination of backups may go by it.
        account=BACKUP if first else MIGRATE,
        scratch="1Gi" if first else "256Mi",
        pod=finite_pod(),
        # A photo that was lost before must not keep a version from being rolled out.
        init=backup_plan(context, "create", "--tolerate-missing") if first else None,
    )
