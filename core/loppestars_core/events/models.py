"""What happened: privileged changes (audit log) and state changes (domain events).

Both are written in the transaction of the change itself, so neither can be lost or invented.
"""

from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.database.base import Base, CreatedAt, Document, Sequence


class AuditEntry(Base):
    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_subject", "subject_type", "subject_id"),)

    id: Mapped[Sequence]
    at: Mapped[CreatedAt]
    actor_kind: Mapped[str]
    actor_id: Mapped[str | None]
    action: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    request_id: Mapped[str | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class DomainEvent(Base):
    """A state change, in the order of `id` for each subject.

    Transactions may commit out of that order: a reader that must not miss an event reads only rows whose
    `transaction_id` is below `pg_snapshot_xmin(pg_current_snapshot())`.
    """

    __tablename__ = "domain_events"
    __table_args__ = (
        Index("ix_domain_events_subject", "subject_type", "subject_id"),
        Index("ix_domain_events_transaction_id_id", "transaction_id", "id"),
    )

    id: Mapped[Sequence]
    transaction_id: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint"))
    at: Mapped[CreatedAt]
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    event: Mapped[str]
    payload: Mapped[Document] = mapped_column(server_default=text("'{}'::jsonb"))
    request_id: Mapped[str | None]
