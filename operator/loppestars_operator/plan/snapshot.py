"""What a pass sees of a stack: the observed objects, sorted into what the decisions ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from loppestars_operator.cache.owned import CachedObject
from loppestars_operator.kinds import Manifest, ObjectKey, component_of, condition_of, key_of, owner_uids, pods_of
from loppestars_operator.naming import STACK_KIND, TEMPLATE_ANNOTATION, component_name
from loppestars_operator.plan.readiness import (
    deployment_readiness,
    image_of,
    job_finished_at,
    job_readiness,
    replicas_of,
)
from loppestars_operator.plan.rollout import SERVING_COMPONENTS, MigrationJob, Workload
from loppestars_operator.rendering.context import CRAWLER, MIGRATE

# Kinds whose bodies decisions are made on.
_UNPACKED: Final = frozenset(
    {"Job", "Pod", "Ingress", "HTTPRoute", "HorizontalPodAutoscaler", "ScaledObject", "Cluster"}
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent reading of a stack's objects. `refusals` say by a Job's UID why it has no pods."""

    objects: Mapping[ObjectKey, CachedObject]
    deployments: Mapping[str, Manifest]
    bodies: Mapping[str, list[Manifest]]
    refusals: Mapping[str, str] = field(default_factory=dict)

    @property
    def jobs(self) -> list[Manifest]:
        """All Jobs of the stack."""
        return self.bodies["Job"]

    @property
    def pods(self) -> list[Manifest]:
        """All pods of the stack."""
        return self.bodies["Pod"]

    def workloads(self) -> dict[str, Workload]:
        """Return the Deployments by component, judged."""
        return {
            component: Workload(
                image=image_of(deployment, component),
                readiness=deployment_readiness(deployment, self.pods_of_component(component)),
                replicas=replicas_of(deployment),
                template=(deployment["metadata"].get("annotations") or {}).get(TEMPLATE_ANNOTATION),
            )
            for component, deployment in self.deployments.items()
        }

    def migration(self, manifest: Manifest, owner_uid: str) -> MigrationJob:
        """Return what was seen of the migration Job as it is rendered now."""
        job = next((job for job in self.jobs if key_of(job) == key_of(manifest)), None)
        if job is None:
            return MigrationJob(manifest)
        if owner_uids(job, STACK_KIND) and owner_uid not in owner_uids(job):
            return MigrationJob(manifest, foreign=True)
        refusal = self.refusals.get(job["metadata"]["uid"])
        readiness = job_readiness(job, pods_of(job, self.pods_of_component(MIGRATE)), refusal)
        return MigrationJob(manifest, readiness, job_finished_at(job))

    def awaited_database(self, name: str) -> str:
        """Return what a migration waits for while CloudNativePG makes a Cluster; empty once that serves."""
        cluster = next((found for found in self.bodies["Cluster"] if found["metadata"]["name"] == name), None)
        ready = condition_of(cluster, "Ready") if cluster else {}
        if ready.get("status") == "True":
            return ""
        return f"Cluster {name}: {ready.get('message') or 'CloudNativePG has not made it yet'}"

    def outdated_migrations(self, current: Manifest, owner_uid: str) -> list[CachedObject]:
        """Return the migration Jobs of other renderings, whose result is not needed any more."""
        return [
            self.objects[key_of(job)]
            for job in self.jobs
            if component_of(job) == MIGRATE and key_of(job) != key_of(current) and owner_uid in owner_uids(job)
        ]

    def crawl_jobs(self) -> list[Manifest]:
        """Return the Jobs of the crawler."""
        return [job for job in self.jobs if component_of(job) == CRAWLER]

    def pods_of_component(self, component: str) -> list[Manifest]:
        """Return the pods of one component."""
        return [pod for pod in self.pods if component_of(pod) == component]


def take_snapshot(objects: Mapping[ObjectKey, CachedObject], refusals: Mapping[str, str] | None = None) -> Snapshot:
    """Unpack the kinds that decisions are made on. A Deployment that only carries our labels is not one of ours."""
    bodies: dict[str, list[Manifest]] = {kind: [] for kind in _UNPACKED}
    deployments: dict[str, Manifest] = {}
    for key, found in objects.items():
        if key.kind == "Deployment":
            names = {component_name(found.stack.name, component): component for component in SERVING_COMPONENTS}
            if key.name in names:
                deployments[names[key.name]] = found.body()
        elif key.kind in bodies:
            bodies[key.kind].append(found.body())
    return Snapshot(objects, deployments, bodies, refusals or {})
