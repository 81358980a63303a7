"""Runs of retention: what was deleted because its time was over."""

from datetime import datetime

from sqlalchemy.orm import Mapped

from loppestars_core.database.base import Base, CreatedAt, Document, Sequence


class RetentionRun(Base):
    """One run. `deleted` has the number of rows of each table; a run that was killed has no `finished_at`."""

    __tablename__ = "retention_runs"

    id: Mapped[Sequence]
    started_at: Mapped[CreatedAt]
    finished_at: Mapped[datetime | None]
    deleted: Mapped[Document | None]
    error: Mapped[str | None]
