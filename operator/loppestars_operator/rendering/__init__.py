"""Pure rendering: spec, images and facts of the cluster in, manifests out.

No clock, randomness, environment or network; an import contract holds that. A module per concern; a new owned kind
is a function here and a line in `kinds.py`.
"""

from loppestars_operator.kinds import Manifest, component_of, kind_of
from loppestars_operator.naming import RENDERING_ANNOTATION, TEMPLATE_ANNOTATION, digest
from loppestars_operator.rendering.accounts import render_accounts
from loppestars_operator.rendering.api import render_api
from loppestars_operator.rendering.backup import render_backup
from loppestars_operator.rendering.cloud_native_pg import render_cloud_native_pg
from loppestars_operator.rendering.context import ClusterFacts, RenderContext
from loppestars_operator.rendering.crawler import render_crawl_job, render_crawler
from loppestars_operator.rendering.imaging import render_imaging
from loppestars_operator.rendering.jobs import render_jobs
from loppestars_operator.rendering.migration import render_migration
from loppestars_operator.rendering.monitoring import render_monitoring
from loppestars_operator.rendering.network import render_network_policies
from loppestars_operator.rendering.restore import render_restore
from loppestars_operator.rendering.routes import render_routes
from loppestars_operator.rendering.scaling import render_scaling

__all__ = [
    "ClusterFacts",
    "RenderContext",
    "render",
    "render_crawl_job",
    "render_migration",
    "templates_of",
    "with_hash",
]


def render(context: RenderContext) -> list[Manifest]:
    """Return every object the stack should have, in the order of applying; the migration Job is not among them."""
    manifests = [
        *render_accounts(context),
        *render_network_policies(context),
        *render_cloud_native_pg(context),
        *render_api(context.trial or context),
        *render_imaging(context),
        *render_crawler(context),
        *render_jobs(context),
        *render_backup(context),
        *render_restore(context),
        *render_scaling(context),
        *render_routes(context),
        *render_monitoring(context),
    ]
    return sorted((with_hash(manifest) for manifest in manifests), key=lambda manifest: kind_of(manifest).wave)


def templates_of(context: RenderContext) -> dict[str, str]:
    """Return by component the hash of the pod template of each Deployment."""
    manifests = [*render_api(context), *render_imaging(context), *render_jobs(context)]
    return {
        component_of(manifest) or "": manifest["metadata"]["annotations"][TEMPLATE_ANNOTATION]
        for manifest in manifests
        if manifest["kind"] == "Deployment"
    }


def with_hash(manifest: Manifest) -> Manifest:
    """Return the manifest with a hash of itself: a field that is no longer rendered is seen by it."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), RENDERING_ANNOTATION: digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}
