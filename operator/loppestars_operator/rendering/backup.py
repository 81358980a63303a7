"""Backups: the CronJobs of backups and drills, and what the migration waits for."""

from dataclasses import replace
from typing import Final

from loppestars_operator.kinds import Manifest
from loppestars_operator.rendering import environment
from loppestars_operator.rendering.context import BACKUP, DRILL, RenderContext
from loppestars_operator.rendering.finite import cron_job, finite_pod
from loppestars_operator.rendering.pods import PodPlan, pod_template
from loppestars_operator.spec.backup import Backup

# Small parts are held in memory at a time; pg_dump and the index of files need the rest.
REQUESTS: Final = {"cpu": "100m", "memory": "256Mi"}
LIMITS: Final = {"memory": "1Gi"}
STARTING_DEADLINE_SECONDS: Final = 3600


def render_backup(context: RenderContext) -> list[Manifest]:
    """Return the CronJobs that the spec asks for: what serves is backed up, where the spec says now."""
    settings = context.spec.backup
    if settings is None:
        return []
    pods = context.for_pods()
    pods = replace(pods, stack=replace(pods.stack, spec=pods.spec.model_copy(update={"backup": settings})))
    backup = _cron_job(context, settings, backup_plan(pods, "create"), settings.schedule)
    if settings.drill is None:
        return [backup]
    scratch = settings.drill.scratch_secret_ref
    drill = backup_plan(pods, "drill", "--json")
    drill = replace(
        drill,
        component=DRILL,
        env=[*drill.env, *environment.secret("SCRATCH_DATABASE_URL", scratch.name, scratch.key)],
    )
    return [backup, _cron_job(context, settings, drill, settings.drill.schedule)]


def backup_plan(context: RenderContext, *arguments: str) -> PodPlan:
    """Return the pod of `loppestars-backup`, of the version that the context's spec names."""
    spec = context.spec
    if spec.backup is None:
        raise AssertionError("a backup is rendered only where the spec has one")
    return PodPlan(
        component=BACKUP,
        image=spec.backup.image or f"{spec.image.registry}/{BACKUP}:{spec.version}",
        command=("loppestars-backup", *arguments),
        settings=spec.backup,
        env=environment.backup(context, spec.backup),
        requests=REQUESTS,
        limits=LIMITS,
        account=BACKUP,
        scratch="1Gi",
        pod=finite_pod(),
    )


def _cron_job(context: RenderContext, settings: Backup, plan: PodPlan, schedule: str) -> Manifest:
    return cron_job(
        context,
        plan.component,
        schedule=schedule,
        time_zone=settings.time_zone,
        suspend=settings.suspend,
        template=pod_template(context.for_pods(), plan),
        active_deadline_seconds=settings.active_deadline_seconds,
        starting_deadline_seconds=STARTING_DEADLINE_SECONDS,
        history=(2, 2),
    )
