"""What a pass sees of a stack: the observed objects, sorted into what the decisions ask for."""

from collections.abc import Mapping
from dataclasses import dataclass

from loppestars_operator.cache.owned import CachedObject
from loppestars_operator.kinds import Manifest, ObjectKey, key_of
from loppestars_operator.naming import STACK_KIND, component_name
from loppestars_operator.plan.crawls import is_crawl_job
from loppestars_operator.plan.readiness import (
    deployment_readiness,
    image_of,
    job_finished_at,
    job_readiness,
    replicas_of,
)
from loppestars_operator.plan.rollout import MigrationJob, Workload
from loppestars_operator.rendering.context import API, CRAWLER, IMAGING, MIGRATE

_COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent reading of a stack's objects."""

    objects: Mapping[ObjectKey, CachedObject]
    deployments: Mapping[str, Manifest]
    jobs: list[Manifest]
    pods: list[Manifest]

    def workloads(self) -> dict[str, Workload]:
        """Return the Deployments by component, judged."""
        return {
            component: Workload(
                image=image_of(deployment, component),
                readiness=deployment_readiness(deployment, self._pods(component)),
                replicas=replicas_of(deployment),
            )
            for component, deployment in self.deployments.items()
        }

    def migration(self, manifest: Manifest, owner_uid: str) -> MigrationJob:
        """Return what was seen of the migration Job as it is rendered now."""
        job = next((job for job in self.jobs if key_of(job) == key_of(manifest)), None)
        if job is None:
            return MigrationJob(manifest)
        owners = [owner for owner in job["metadata"].get("ownerReferences") or () if owner.get("kind") == STACK_KIND]
        if owners and not _owned_by(job, owner_uid):
            return MigrationJob(manifest, foreign=True)
        uid = job["metadata"]["uid"]
        pods = [pod for pod in self._pods(MIGRATE) if _owned_by(pod, uid)]
        return MigrationJob(manifest, job_readiness(job, pods), job_finished_at(job))

    def outdated_migrations(self, current: Manifest, owner_uid: str) -> list[CachedObject]:
        """Return the migration Jobs of other renderings, which nobody waits for any more."""
        return [
            self.objects[key_of(job)]
            for job in self.jobs
            if _component(job) == MIGRATE and key_of(job) != key_of(current) and _owned_by(job, owner_uid)
        ]

    def crawl_jobs(self) -> list[Manifest]:
        """Return the Jobs of the crawler."""
        return [job for job in self.jobs if is_crawl_job(job)]

    def crawl_pods(self) -> list[Manifest]:
        """Return the pods of the crawler."""
        return self._pods(CRAWLER)

    def _pods(self, component: str) -> list[Manifest]:
        return [pod for pod in self.pods if _component(pod) == component]


def take_snapshot(objects: Mapping[ObjectKey, CachedObject]) -> Snapshot:
    """Unpack the kinds that decisions are made on. A Deployment that only carries our labels is none of ours."""
    bodies: dict[str, list[Manifest]] = {"Job": [], "Pod": []}
    deployments: dict[str, Manifest] = {}
    for key, found in objects.items():
        if key.kind == "Deployment":
            names = {component_name(found.stack.name, component): component for component in (API, IMAGING)}
            if key.name in names:
                deployments[names[key.name]] = found.body()
        elif key.kind in bodies:
            bodies[key.kind].append(found.body())
    return Snapshot(objects, deployments, bodies["Job"], bodies["Pod"])


def _component(manifest: Manifest) -> str:
    component: str = (manifest["metadata"].get("labels") or {}).get(_COMPONENT, "")
    return component


def _owned_by(manifest: Manifest, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in manifest["metadata"].get("ownerReferences") or ())
