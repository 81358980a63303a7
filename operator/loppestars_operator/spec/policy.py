"""What a stack may ask for."""

from loppestars_operator.spec import Stack
from loppestars_operator.spec.base import Model


class Policy(Model):
    """Bounds."""


def violations(stack: Stack, policy: Policy) -> list[str]:
    """Return what is not allowed."""
    del stack, policy
    return []
