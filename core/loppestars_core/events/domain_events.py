"""Domain events: state changes of markets, photos and runs."""

from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.models import DomainEvent
from loppestars_core.kit.logging import current_request_id


async def record_event(
    session: AsyncSession, subject_type: str, subject_id: object, event: str, payload: dict[str, Any] | None = None
) -> None:
    """Record a state change of a market, photo or run, for those who follow along (notifications, webhooks)."""
    await session.execute(
        insert(DomainEvent).values(
            subject_type=subject_type,
            subject_id=str(subject_id),
            event=event,
            payload=payload or {},
            request_id=current_request_id(),
        )
    )
