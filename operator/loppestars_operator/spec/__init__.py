"""Typed models of the custom resources, parsed once per event."""

from dataclasses import dataclass, field
from typing import Any, Final, Self

from loppestars_operator.naming import RECONCILE_ANNOTATION, RETRY_ANNOTATION, StackKey, digest
from loppestars_operator.spec.crawl import FINISHED, CrawlCounts, CrawlSpec, CrawlStatus
from loppestars_operator.spec.stack import StackSpec
from loppestars_operator.spec.state import Condition, Images, StackStatus

__all__ = [
    "FINISHED",
    "Condition",
    "Crawl",
    "CrawlCounts",
    "CrawlSpec",
    "CrawlStatus",
    "Images",
    "Stack",
    "StackSpec",
    "StackStatus",
]


# Annotations have no bound of their own; what is remembered of them in the status has.
MAX_RETRY_VALUE: Final = 128


@dataclass(frozen=True, slots=True)
class Stack:
    """A LoppestarsStack as it was last read."""

    key: StackKey
    uid: str
    generation: int
    resource_version: str
    created_at: str
    deleting: bool
    spec: StackSpec
    status: StackStatus
    annotations: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Read the resource.

        Raises:
            pydantic.ValidationError: a spec stored under another schema than this operator's.
        """
        meta = body["metadata"]
        return cls(
            key=StackKey(meta["namespace"], meta["name"]),
            uid=meta["uid"],
            generation=meta.get("generation", 1),
            resource_version=meta["resourceVersion"],
            created_at=meta.get("creationTimestamp", ""),
            deleting="deletionTimestamp" in meta,
            spec=StackSpec.model_validate(body.get("spec") or {}),
            status=StackStatus.read(body.get("status") or {}),
            annotations=dict(meta.get("annotations") or {}),
        )

    @property
    def retry(self) -> str | None:
        """Value of the retry annotation, a hash of one that is long; a new one asks for another try of what failed."""
        value = self.annotations.get(RETRY_ANNOTATION)
        return digest(value) if value is not None and len(value) > MAX_RETRY_VALUE else value

    @property
    def reconcile(self) -> str | None:
        """Value of the reconcile annotation; a new one asks for a pass."""
        return self.annotations.get(RECONCILE_ANNOTATION)


@dataclass(frozen=True, slots=True)
class Crawl:
    """A Crawl as it was last read."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    created_at: str
    deleting: bool
    labels: dict[str, str]
    owners: frozenset[str]
    spec: CrawlSpec
    status: CrawlStatus

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Read the resource.

        Raises:
            pydantic.ValidationError: an object stored under another schema than this operator's.
        """
        meta = body["metadata"]
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            created_at=meta.get("creationTimestamp", ""),
            deleting="deletionTimestamp" in meta,
            labels=dict(meta.get("labels") or {}),
            owners=frozenset(owner["uid"] for owner in meta.get("ownerReferences") or ()),
            spec=CrawlSpec.model_validate(body.get("spec") or {}),
            status=CrawlStatus.model_validate(body.get("status") or {}),
        )

    @property
    def stack_key(self) -> StackKey:
        """Key of the stack it belongs to."""
        return StackKey(self.namespace, self.spec.stack_ref.name)

    @property
    def run_id(self) -> str:
        """Id of the run's record in the database."""
        return self.spec.run_id or self.uid

    @property
    def finished(self) -> bool:
        """Whether its state is final."""
        return self.status.state in FINISHED
