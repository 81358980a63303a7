"""ServiceAccounts: one per component, so that each can be bound to a cloud identity of its own."""

from loppestars_operator.kinds import Manifest
from loppestars_operator.rendering.context import API, BACKUP, CRAWLER, IMAGING, JOBS, MIGRATE, RenderContext
from loppestars_operator.spec.components import Component


def render_accounts(context: RenderContext) -> list[Manifest]:
    """Return the ServiceAccounts. None mounts a token by itself; the API's pod asks for one."""
    spec = context.spec
    components: dict[str, Component] = {
        API: spec.api,
        IMAGING: spec.imaging,
        CRAWLER: spec.crawler,
        JOBS: spec.jobs,
        MIGRATE: Component(),
        **({BACKUP: spec.backup} if spec.backup else {}),
    }
    accounts: list[Manifest] = []
    for component, settings in components.items():
        chosen = settings.service_account.annotations if settings.service_account else None
        metadata = context.metadata(context.named(component), component)
        accounts.append(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {**metadata, "annotations": dict(chosen)} if chosen else metadata,
                "automountServiceAccountToken": False,
            }
        )
    return accounts
