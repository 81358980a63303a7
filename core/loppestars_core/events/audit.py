"""The audit log: privileged changes and changes of personal data."""

from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.models import AuditEntry
from loppestars_core.kit.logging import current_request_id


async def record_audit(  # noqa: PLR0913 - one argument a column
    session: AsyncSession,
    *,
    actor_kind: str,
    actor_id: str | None,
    action: str,
    subject_type: str,
    subject_id: object,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Record a privileged change or a change of personal data: who did what to whom."""
    await session.execute(
        insert(AuditEntry).values(
            actor_kind=actor_kind,
            actor_id=actor_id,
            action=action,
            subject_type=subject_type,
            subject_id=str(subject_id),
            request_id=current_request_id(),
            before=before,
            after=after,
        )
    )
