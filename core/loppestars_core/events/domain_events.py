"""Domain events: state changes of markets, photos and runs."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.models import DomainEvent
from loppestars_core.kit.logging import current_request_id


async def record_event(
    session: AsyncSession, subject_type: str, subject_id: object, event: str, payload: dict[str, Any] | None = None
) -> None:
    """Record a state change of a market, photo or run, for those who follow along (notifications, webhooks)."""
    await record_events(session, subject_type, {subject_id: (event, payload or {})})


async def record_events(
    session: AsyncSession, subject_type: str, events: Mapping[object, tuple[str, dict[str, Any]]]
) -> None:
    """Record one state change of each of some subjects."""
    await session.execute(
        insert(DomainEvent),
        [
            {
                "subject_type": subject_type,
                "subject_id": str(subject_id),
                "event": event,
                "payload": payload,
                "request_id": current_request_id(),
            }
            for subject_id, (event, payload) in events.items()
        ],
    )
