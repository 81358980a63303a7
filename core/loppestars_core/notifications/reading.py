"""Domain events in the order of their transactions, from where a reader left off.

Transactions commit out of the order of their ids. A reader therefore takes only events of transactions older than
every one that still runs: what is not there yet cannot appear behind its position any more.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Numeric, cast, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.events.models import DomainEvent
from loppestars_core.notifications.models import EventPosition


def _snapshot(bound: str) -> ColumnElement[int]:
    """Return `xmin`, the oldest transaction that runs, or `xmax`, the first that has not begun."""
    return cast(cast(text(f"pg_snapshot_{bound}(pg_current_snapshot())::text"), Numeric), DomainEvent.id.type)


async def lock_position(session: AsyncSession, reader: str) -> EventPosition:
    """Return a reader's position, locked until the transaction ends: of two of one name, one waits."""
    await session.execute(insert(EventPosition).values(reader=reader).on_conflict_do_nothing())
    found = select(EventPosition).where(EventPosition.reader == reader).with_for_update()
    position = (await session.execute(found.execution_options(populate_existing=True))).scalar_one()
    newest = (await session.execute(select(_snapshot("xmax")))).scalar_one()
    if position.transaction_id >= newest:
        # The database was restored on a server that counts transactions afresh.
        position.floor_id = max(position.floor_id, position.event_id)
        position.transaction_id = position.event_id = 0
        await session.flush()
    return position


async def next_events(session: AsyncSession, position: EventPosition, limit: int) -> Sequence[DomainEvent]:
    """Return the events after a position, the oldest transaction first."""
    # Visible, and yet of a transaction that has not begun: it was written on another server.
    finished = or_(DomainEvent.transaction_id < _snapshot("xmin"), DomainEvent.transaction_id >= _snapshot("xmax"))
    found = (
        select(DomainEvent)
        .where(
            finished,
            DomainEvent.id > position.floor_id,
            tuple_(DomainEvent.transaction_id, DomainEvent.id) > (position.transaction_id, position.event_id),
        )
        .order_by(DomainEvent.transaction_id, DomainEvent.id)
        .limit(limit)
    )
    return (await session.execute(found)).scalars().all()


async def advance(session: AsyncSession, reader: str, last: DomainEvent) -> None:
    """Move a position behind an event, in the transaction that did what the event asked for."""
    await session.execute(
        update(EventPosition)
        .where(EventPosition.reader == reader)
        .values(transaction_id=last.transaction_id, event_id=last.id, updated_at=func.now())
    )
