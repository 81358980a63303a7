"""An admin's corrections: kept apart from what sources say, so that no crawl undoes them."""

import uuid
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.audit import record_audit
from loppestars_core.markets.assembly import refresh_market
from loppestars_core.markets.fields import CORRECTABLE
from loppestars_core.markets.models import Market, MarketOverride


async def correct_market(
    session: AsyncSession,
    market_id: uuid.UUID,
    corrections: dict[str, Any],
    *,
    admin_id: str | None,
) -> None:
    """Replace columns of a market by an admin's values (as JSON has them), until they are corrected again.

    Raises:
        ValueError: a column that cannot be corrected; the message lists those that can.
    """
    if unknown := set(corrections) - CORRECTABLE:
        raise ValueError(f"cannot correct {sorted(unknown)}; correctable are {sorted(CORRECTABLE)}")
    before = (await session.execute(select(Market).where(Market.id == market_id))).scalar_one()
    was = {name: str(value) if (value := getattr(before, name)) is not None else None for name in corrections}
    for name, value in corrections.items():
        await _revoke(session, market_id, name)
        await session.execute(
            insert(MarketOverride).values(market_id=market_id, field=name, value=value, set_by=admin_id),
        )
    await record_audit(
        session,
        actor_kind="admin",
        actor_id=admin_id,
        action="market.corrected",
        subject_type="market",
        subject_id=market_id,
        before=was,
        after=corrections,
    )
    await refresh_market(session, market_id)


async def withdraw_correction(session: AsyncSession, market_id: uuid.UUID, name: str, *, admin_id: str | None) -> None:
    """Let the sources speak again for one column."""
    await _revoke(session, market_id, name)
    await record_audit(
        session,
        actor_kind="admin",
        actor_id=admin_id,
        action="market.correction_withdrawn",
        subject_type="market",
        subject_id=market_id,
        before={"field": name},
    )
    await refresh_market(session, market_id)


async def _revoke(session: AsyncSession, market_id: uuid.UUID, name: str) -> None:
    await session.execute(
        update(MarketOverride)
        .where(
            MarketOverride.market_id == market_id,
            MarketOverride.field == name,
            MarketOverride.revoked_at.is_(None),
        )
        .values(revoked_at=func.now()),
    )
