"""Events in the order of transactions: none is skipped, however they commit."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.database.engine import sessions
from loppestars_core.events.domain_events import record_event
from loppestars_core.notifications.reading import advance, lock_position, next_events


async def read(engine: AsyncEngine, limit: int = 100) -> list[str]:
    """The names of what comes next; the position moves behind it."""
    async with sessions(engine).begin() as session:
        events = await next_events(session, await lock_position(session, "test"), limit)
        if events:
            await advance(session, "test", events[-1])
    return [event.event for event in events]


class TestNextEvents:
    async def test_a_running_transaction_is_waited_for(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """What commits late is not skipped: what came after it waits with it."""
        await record_event(session, "x", 1, "slow")
        async with sessions(engine).begin() as other:
            await record_event(other, "x", 1, "quick")
        assert await read(engine) == []
        await session.commit()
        assert await read(engine) == ["slow", "quick"]
        assert await read(engine) == []

    async def test_pages(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """A transaction of many events is read in pages."""
        for number in range(5):
            await record_event(session, "x", 1, str(number))
        await session.commit()
        assert [await read(engine, 2) for _ in range(4)] == [["0", "1"], ["2", "3"], ["4"], []]

    async def test_rolled_back(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """What did not happen is not read and holds nothing up."""
        await record_event(session, "x", 1, "never")
        await session.rollback()
        async with sessions(engine).begin() as other:
            await record_event(other, "x", 1, "after")
        assert await read(engine) == ["after"]

    async def test_restored_elsewhere(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """On a server that counts transactions afresh, what was read stays read and what is new is read."""
        await record_event(session, "x", 1, "old")
        await session.commit()
        await session.execute(text("UPDATE domain_events SET transaction_id = 4000000000"))
        await session.commit()
        assert await read(engine) == ["old"]
        await record_event(session, "x", 1, "new")
        await session.commit()
        assert await read(engine) == ["new"]
        assert await read(engine) == []
