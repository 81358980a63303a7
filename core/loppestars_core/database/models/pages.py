"""Pages that a crawl fetched, with what is needed to ask "has this changed?" instead of fetching them again."""

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from loppestars_core.database.base import Base, CreatedAt


class CrawledPage(Base):
    """The last answer of an address that came with a validator (ETag or Last-Modified)."""

    __tablename__ = "crawled_pages"
    __table_args__ = (Index("ix_crawled_pages_fetched_at", "fetched_at"),)

    url: Mapped[str] = mapped_column(primary_key=True)
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    content_type: Mapped[str | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """Compressed (zlib)."""
    fetched_at: Mapped[CreatedAt]
