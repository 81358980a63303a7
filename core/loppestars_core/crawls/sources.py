"""Sources as rows: where each is read, when, how politely. Settings bring theirs; admins add and change others."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.contract.sources import SourceType
from loppestars_core.crawls.models import ManagedBy, Source

DEFAULT_RANK: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """What is known of a source before it is crawled."""

    name: str
    type: SourceType
    start_urls: tuple[str, ...]
    schedule: str | None = None
    """Cron, in Danish time: when a scheduled crawl takes it. None: each time."""
    enabled: bool = True
    rank: int = DEFAULT_RANK
    """Whose words count where sources differ: the lowest."""
    delay_seconds: float | None = None
    max_pages: int | None = None

    @classmethod
    def of_row(cls, row: Source) -> Self:
        """Return the source of a row."""
        values: dict[str, Any] = {field.name: getattr(row, field.name) for field in fields(cls)}
        return cls(**values | {"type": SourceType(row.type), "start_urls": tuple(row.start_urls)})

    def as_row(self) -> dict[str, Any]:
        """Return the columns of its row."""
        return {**asdict(self), "start_urls": list(self.start_urls)}


async def keep_source(session: AsyncSession, source: SourceSpec, *, managed_by: ManagedBy) -> bool:
    """Write the row of a source if it differs; settings never replace what an admin wrote. Returns whether it did."""
    row = source.as_row()
    values = {**row, "managed_by": managed_by, "updated_at": func.now()}
    compared = (*row, "managed_by")
    differs = or_(*(getattr(Source, name).is_distinct_from(values[name]) for name in compared))
    mine = Source.managed_by == ManagedBy.SETTINGS if managed_by == ManagedBy.SETTINGS else True
    written = await session.execute(
        upsert(Source)
        .values(**values)
        .on_conflict_do_update(index_elements=[Source.name], set_=values, where=differs & mine)
        .returning(Source.name)
    )
    return written.scalar_one_or_none() is not None


async def known_sources(session: AsyncSession, configured: Sequence[SourceSpec]) -> dict[str, SourceSpec]:
    """Return the sources by name: those of the settings, as an admin changed them, and those that admins added."""
    rows = await session.execute(select(Source).where(Source.managed_by == ManagedBy.ADMIN).order_by(Source.name))
    by_admins = {row.name: SourceSpec.of_row(row) for row in rows.scalars()}
    return {source.name: source for source in configured} | by_admins


async def list_sources(session: AsyncSession) -> list[Source]:
    """Return the rows of all sources, by name."""
    found = await session.execute(select(Source).order_by(Source.name).execution_options(populate_existing=True))
    return list(found.scalars())


async def remove_source(session: AsyncSession, name: str) -> bool:
    """Delete a source that an admin wrote; its markets stay. False when there is none."""
    gone = await session.execute(
        delete(Source).where(Source.name == name, Source.managed_by == ManagedBy.ADMIN).returning(Source.name)
    )
    return gone.scalar_one_or_none() is not None
