"""What a spec comes down to: the image of every component, and the database."""

from loppestars_operator.rendering.context import API, CRAWLER, IMAGING
from loppestars_operator.spec import Images, StackSpec
from loppestars_operator.spec.data import DatabaseRoles


def resolve_images(spec: StackSpec) -> Images:
    """Return the image of every component: its own, or registry and version."""

    def image(component: str, own: str | None) -> str:
        return own or f"{spec.image.registry}/{component}:{spec.version}"

    return Images(
        api=image(API, spec.api.image),
        imaging=image(IMAGING, spec.imaging.image),
        crawler=image(CRAWLER, spec.crawler.image),
    )


def database_of(spec: StackSpec) -> str:
    """Return by which Secrets and keys a stack finds its database; a role that is new to it has no grants yet."""
    own, direct, roles = spec.database.secret_ref, spec.database.direct_secret_ref, spec.database.roles
    named = {name: role for name in DatabaseRoles.model_fields if (role := getattr(roles, name, None))}
    return " ".join(
        [
            f"{own.name}/{own.key}",
            *([f"{direct.name}/{direct.key}"] if direct and direct.name else []),
            *(f"{name}={role.name}/{role.key}" for name, role in named.items()),
        ]
    )
