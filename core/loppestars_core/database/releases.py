"""Which migrations ran, and which releases can serve the schema that they left."""

from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.database.base import Base, CreatedAt


class SchemaRelease(Base):
    """One row for each applied migration; `loppestars-migrate` of an older release reads it to know if it may serve."""

    __tablename__ = "schema_releases"

    revision: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    oldest_compatible: Mapped[str]
    applied_at: Mapped[CreatedAt]
