"""Markets that were understood and are not believed: kept apart with the reason, until an admin releases them."""

import uuid
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.audit import record_audit
from loppestars_core.markets.ingest import record_sighting
from loppestars_core.markets.models import QuarantinedMarket
from loppestars_core.markets.sighting import SourceMarket


class NotInQuarantine(LookupError):
    """There is no such market in quarantine, or it was released before."""


async def quarantine(
    session: AsyncSession, doubted: Sequence[tuple[SourceMarket, str]], *, run_id: uuid.UUID | None
) -> None:
    """Keep markets apart with the reasons; the same words again are the same row."""
    for said, reason in doubted:
        values = {
            "reason": reason,
            "content_hash": said.content_hash(),
            "raw": said.raw(),
            "run_id": run_id,
            "last_seen_at": func.now(),
            "released_at": None,
            "released_by": None,
        }
        statement = upsert(QuarantinedMarket).values(source=said.source, external_id=said.external_id, **values)
        await session.execute(
            statement.on_conflict_do_update(index_elements=["source", "external_id"], set_=values),
        )


async def released_hashes(session: AsyncSession, source: str) -> set[str]:
    """Return the words of a source that an admin believes although they look wrong."""
    released = QuarantinedMarket.source == source, QuarantinedMarket.released_at.is_not(None)
    return set((await session.execute(select(QuarantinedMarket.content_hash).where(*released))).scalars())


async def list_quarantined(session: AsyncSession, *, limit: int = 100, offset: int = 0) -> list[QuarantinedMarket]:
    """Return the markets in quarantine, the newest first."""
    waiting = select(QuarantinedMarket).where(QuarantinedMarket.released_at.is_(None))
    newest = waiting.order_by(QuarantinedMarket.last_seen_at.desc(), QuarantinedMarket.id).limit(limit).offset(offset)
    return list((await session.execute(newest)).scalars())


async def count_quarantined(session: AsyncSession) -> dict[str, int]:
    """Return how many markets of each source are in quarantine."""
    waiting = QuarantinedMarket.released_at.is_(None)
    found = await session.execute(
        select(QuarantinedMarket.source, func.count()).where(waiting).group_by(QuarantinedMarket.source)
    )
    return {row[0]: row[1] for row in found}


async def release(session: AsyncSession, number: int, *, admin_id: str | None) -> SourceMarket:
    """Believe a market in quarantine: it is stored now, and the same words are believed from now on.

    Raises:
        NotInQuarantine: there is no such market.
    """
    released = await session.execute(
        update(QuarantinedMarket)
        .where(QuarantinedMarket.id == number, QuarantinedMarket.released_at.is_(None))
        .values(released_at=func.now(), released_by=admin_id)
        .returning(QuarantinedMarket.raw, QuarantinedMarket.run_id)
    )
    row = released.one_or_none()
    if row is None:
        raise NotInQuarantine("there is no such market in quarantine")
    said = SourceMarket.of_raw(row.raw)
    await record_sighting(session, said, run_id=row.run_id)
    await record_audit(
        session,
        actor_kind="admin",
        actor_id=admin_id,
        action="market.released",
        subject_type="quarantine",
        subject_id=number,
        after={"source": said.source, "name": said.name},
    )
    return said
