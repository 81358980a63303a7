"""The way back: a CronJob that never runs by itself, from which a person makes the Job that restores a backup."""

from dataclasses import replace
from typing import Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.rendering.backup import backup_plan
from loppestars_operator.rendering.context import BACKUP, RESTORE, RenderContext
from loppestars_operator.rendering.finite import cron_job
from loppestars_operator.rendering.migration import migration_plan
from loppestars_operator.rendering.pods import pod_template

# The last day of a February that never comes: also where a person takes away `suspend`.
NEVER: Final = "0 0 31 2 *"


def render_restore(context: RenderContext) -> list[Manifest]:
    """Return what `kubectl create job --from=cronjob/…-restore` copies, where the spec has backups.

    The newest backup replaces what the database holds, then the schema is brought to the version that serves.
    """
    settings = context.spec.backup
    if settings is None:
        return []
    pods = context.for_pods()
    pods = replace(pods, stack=replace(pods.stack, spec=pods.spec.model_copy(update={"backup": settings})))
    restore = backup_plan(pods, "restore", "--replace")
    migration = migration_plan(pods)
    # A patch of the migration's pod names its container.
    own = migration.settings.model_copy(update={"pod_template": None})
    plan = replace(migration, component=RESTORE, settings=own, account=BACKUP, scratch=restore.scratch, init=restore)
    return [
        cron_job(
            context,
            RESTORE,
            schedule=NEVER,
            time_zone=settings.time_zone,
            suspend=True,
            template=pod_template(pods, plan),
            active_deadline_seconds=settings.active_deadline_seconds,
            starting_deadline_seconds=60,
            history=(2, 2),
        )
    ]
