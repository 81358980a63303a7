"""How a new version takes over from the one that serves."""

from typing import Annotated

from pydantic import Field

from loppestars_operator.spec.base import Model


class Canary(Model):
    """One pod of the new version first, judged before the rest follows."""

    seconds: Annotated[int, Field(ge=5, le=86_400)] = Field(60, description="How long it serves before it is judged.")
    max_error_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="Share of its answers that may be errors of the server (status 5xx)."
    )
    min_requests: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0, description="Requests without which it is not judged: it serves on until they came, or goes back."
    )


class Rollout(Model):
    """How a new version takes over."""

    canary: Canary | None = Field(
        None, description="Try a new version or configuration of the API on one pod before all of them."
    )
