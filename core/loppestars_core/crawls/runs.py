"""The record of crawl runs, each step in the caller's transaction."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import func, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_core.contract.counters import COUNT_NAMES
from loppestars_core.contract.states import CrawlState, CrawlTrigger
from loppestars_core.crawls.lock import lock_is_held
from loppestars_core.crawls.models import CrawlFailedItem, CrawlRun, CrawlSource
from loppestars_core.events.domain_events import record_event
from loppestars_core.kit.logging import current_request_id

# A pending run whose process has not taken the lock by then never will.
PENDING_EXPIRES: Final = timedelta(minutes=5)
_DEAD: Final = "its process ended without a word; what it had stored is kept"
_MAX_SNIPPET: Final = 2000
_MAX_ERROR: Final = 2000


class CrawlNotFound(LookupError):
    """There is no run of that id."""


class NothingToRetry(RuntimeError):
    """The run has no source that failed."""


class CrawlAlreadyFinished(RuntimeError):
    """The run has ended, so it cannot be cancelled."""


async def request_run(  # noqa: PLR0913 - what a run is
    session: AsyncSession,
    *,
    trigger: CrawlTrigger,
    sources: list[str],
    item_limit: int | None = None,
    accept_shrink: bool = False,
    requested_by: str | None = None,
) -> tuple[CrawlRun, bool]:
    """Return a pending run and True; or the active run and False. Safe from several replicas at once."""
    await close_dead_runs(session)
    await _close_forgotten_runs(session)
    active = await _active(session)
    if active is not None:
        return active, False
    created = await session.execute(
        upsert(CrawlRun)
        .values(
            id=uuid.uuid4(),
            trigger=trigger,
            sources=sources,
            item_limit=item_limit,
            accept_shrink=accept_shrink,
            requested_by=requested_by,
            request_id=current_request_id(),
        )
        .on_conflict_do_nothing(
            index_elements=[CrawlRun.state], index_where=CrawlRun.state.in_([CrawlState.PENDING, CrawlState.RUNNING])
        )
        .returning(CrawlRun.id)
    )
    run_id = created.scalar_one_or_none()
    if run_id is None:
        active = await _active(session)
        if active is None:  # it ended between the two statements
            return await request_run(
                session,
                trigger=trigger,
                sources=sources,
                item_limit=item_limit,
                accept_shrink=accept_shrink,
                requested_by=requested_by,
            )
        return active, False
    await record_event(session, "crawl", run_id, "crawl.pending", {"trigger": trigger})
    return await find_run(session, run_id), True


async def begin_run(  # noqa: PLR0913 - what a run is
    session: AsyncSession,
    run_id: uuid.UUID,
    *,
    trigger: CrawlTrigger,
    sources: list[str],
    item_limit: int | None = None,
    dry_run: bool = False,
    accept_shrink: bool = False,
) -> CrawlRun:
    """Continue the pending run of that id, or make it. Only the holder of the lock calls this.

    A run of that id that was killed goes on with the sources that it began with, also when its record was closed since.
    One that was cancelled or finished before it began comes back unchanged: the caller looks at its state.
    """
    await close_dead_runs(session, we_hold_the_lock=True, but=run_id)
    await _close_forgotten_runs(session, but=run_id)
    values = {
        "state": CrawlState.RUNNING,
        "sources": sources,
        "item_limit": item_limit,
        "dry_run": dry_run,
        "started_at": func.now(),
        # Who asked for the run, or who starts it: either may accept less than last time.
        "accept_shrink": or_(CrawlRun.accept_shrink, literal(accept_shrink)),
    }
    killed = CrawlRun.id == run_id, CrawlRun.state == CrawlState.FAILED, CrawlRun.error == _DEAD
    await session.execute(
        update(CrawlRun).where(*killed).values(state=CrawlState.RUNNING, error=None, finished_at=None)
    )
    begun = await session.execute(
        update(CrawlRun)
        .where(CrawlRun.id == run_id, CrawlRun.state == CrawlState.PENDING)
        .values(**values)
        .returning(CrawlRun.id)
    )
    if begun.scalar_one_or_none() is None:
        made = await session.execute(
            upsert(CrawlRun)
            .values(
                id=run_id, trigger=trigger, request_id=current_request_id(), **values | {"accept_shrink": accept_shrink}
            )
            .on_conflict_do_nothing(index_elements=[CrawlRun.id])
            .returning(CrawlRun.id)
        )
        if made.scalar_one_or_none() is None:
            return await find_run(session, run_id)
    await record_event(session, "crawl", run_id, "crawl.running")
    return await find_run(session, run_id)


async def record_superseded(
    session: AsyncSession, run_id: uuid.UUID, *, trigger: CrawlTrigger, sources: list[str]
) -> CrawlRun:
    """Write the record of a run that found the lock taken."""
    values = {
        "state": CrawlState.SUPERSEDED,
        "finished_at": func.now(),
        "error": "another crawl was running",
    }
    superseded = await session.execute(
        upsert(CrawlRun)
        .values(id=run_id, trigger=trigger, sources=sources, **values)
        .on_conflict_do_update(index_elements=[CrawlRun.id], set_=values, where=CrawlRun.state == CrawlState.PENDING)
        .returning(CrawlRun.id)
    )
    if superseded.scalar_one_or_none() is not None:
        await record_event(session, "crawl", run_id, "crawl.superseded")
    return await find_run(session, run_id)


async def update_progress(
    session: AsyncSession, run_id: uuid.UUID, *, expected: int | None, done: int, counts: Mapping[str, int]
) -> None:
    """Store how far a running crawl is."""
    await session.execute(
        update(CrawlRun)
        .where(CrawlRun.id == run_id, CrawlRun.state == CrawlState.RUNNING)
        .values(expected=expected, done=done, **{name: counts.get(name, 0) for name in COUNT_NAMES})
    )


async def finish_run(
    session: AsyncSession,
    run_id: uuid.UUID,
    state: CrawlState,
    *,
    counts: Mapping[str, int] | None = None,
    error: str | None = None,
) -> bool:
    """End a run that has not ended yet; False when it had."""
    numbers = {} if counts is None else {name: counts.get(name, 0) for name in COUNT_NAMES}
    ended = await session.execute(
        update(CrawlRun)
        .where(CrawlRun.id == run_id, CrawlRun.state.in_([CrawlState.PENDING, CrawlState.RUNNING]))
        .values(state=state, finished_at=func.now(), error=error and error[:_MAX_ERROR], **numbers)
        .returning(CrawlRun.id)
    )
    if ended.scalar_one_or_none() is None:
        return False
    await record_event(session, "crawl", run_id, f"crawl.{state}", {**numbers, **({"error": error} if error else {})})
    return True


async def request_cancel(session: AsyncSession, run_id: uuid.UUID) -> CrawlRun:
    """Cancel a pending run at once; ask a running one to stop (it keeps what it has done), and end one that is dead.

    Raises:
        CrawlNotFound: no such run.
        CrawlAlreadyFinished: it has ended.
    """
    run = await find_run(session, run_id, lock=True)
    if CrawlState(run.state).finished:
        raise CrawlAlreadyFinished(f"the run has {run.state}")
    if run.state == CrawlState.PENDING:
        await finish_run(session, run_id, CrawlState.CANCELLED, error="cancelled before it started")
    elif not await lock_is_held(session):
        await finish_run(session, run_id, CrawlState.CANCELLED, error=_DEAD)
    await session.execute(
        update(CrawlRun)
        .where(CrawlRun.id == run_id)
        .values(cancel_requested_at=func.coalesce(CrawlRun.cancel_requested_at, func.now()))
    )
    return await find_run(session, run_id)


async def cancel_requested(session: AsyncSession, run_id: uuid.UUID) -> bool:
    """Return whether somebody asked the run to stop; a crawl looks at this every few seconds."""
    found = await session.execute(select(CrawlRun.cancel_requested_at).where(CrawlRun.id == run_id))
    return found.scalar_one_or_none() is not None


async def add_failed_item(  # noqa: PLR0913 - one argument a column
    session: AsyncSession,
    run_id: uuid.UUID,
    *,
    source: str,
    reason: str,
    url: str | None = None,
    snippet: str | None = None,
) -> None:
    await session.execute(
        insert(CrawlFailedItem).values(
            run_id=run_id, source=source, reason=reason, url=url, snippet=snippet and snippet[:_MAX_SNIPPET]
        )
    )


async def find_run(session: AsyncSession, run_id: uuid.UUID, *, lock: bool = False) -> CrawlRun:
    """Return the run as it is now, with its row locked when asked; raise `CrawlNotFound`."""
    statement = select(CrawlRun).where(CrawlRun.id == run_id).execution_options(populate_existing=True)
    run = (await session.execute(statement.with_for_update() if lock else statement)).scalar_one_or_none()
    if run is None:
        raise CrawlNotFound("there is no crawl run of this id")
    return run


async def list_runs(session: AsyncSession, *, limit: int = 50, offset: int = 0) -> list[CrawlRun]:
    """Return the newest runs first."""
    statement = select(CrawlRun).order_by(CrawlRun.created_at.desc(), CrawlRun.id).limit(limit).offset(offset)
    return list((await session.execute(statement)).scalars())


async def failed_items(session: AsyncSession, run_id: uuid.UUID, *, limit: int = 200) -> list[CrawlFailedItem]:
    """Return what the run did not understand or could not store, in the order in which it came up."""
    statement = select(CrawlFailedItem).where(CrawlFailedItem.run_id == run_id).order_by(CrawlFailedItem.id)
    return list((await session.execute(statement.limit(limit))).scalars())


async def sources_of_run(session: AsyncSession, run_id: uuid.UUID) -> list[CrawlSource]:
    """Return how each source of a run went, in the order in which they were begun."""
    statement = select(CrawlSource).where(CrawlSource.run_id == run_id).order_by(CrawlSource.id)
    return list((await session.execute(statement)).scalars())


async def _active(session: AsyncSession) -> CrawlRun | None:
    statement = (
        select(CrawlRun)
        .where(CrawlRun.state.in_([CrawlState.PENDING, CrawlState.RUNNING]))
        # A running crawl answers a second trigger rather than one that only waits.
        .order_by(CrawlRun.state.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def close_dead_runs(
    session: AsyncSession, *, we_hold_the_lock: bool = False, but: uuid.UUID | None = None
) -> None:
    """Fail runs that say `running` although their process is gone: nobody holds the lock, or we do ourselves.

    The run `but` is left alone: we continue it.
    """
    running = select(CrawlRun.id).where(CrawlRun.state == CrawlState.RUNNING)
    for run_id in (await session.execute(running)).scalars().all():
        if run_id != but and (we_hold_the_lock or not await lock_is_held(session)):
            await finish_run(session, run_id, CrawlState.FAILED, error=_DEAD)


async def _close_forgotten_runs(session: AsyncSession, *, but: uuid.UUID | None = None) -> None:
    """Fail runs that have been pending for too long, but the one whose process is here after all."""
    pending = select(CrawlRun.id).where(
        CrawlRun.state == CrawlState.PENDING, CrawlRun.created_at < func.now() - PENDING_EXPIRES
    )
    for run_id in (await session.execute(pending)).scalars().all():
        if run_id != but:
            await finish_run(session, run_id, CrawlState.FAILED, error="it was never started")


async def retry_run(
    session: AsyncSession, run_id: uuid.UUID, *, accept_shrink: bool = False, requested_by: str | None = None
) -> tuple[CrawlRun, bool]:
    """Return a pending run of the sources of a finished run that did not succeed, as `request_run` does.

    Raises:
        CrawlNotFound: no such run.
        NothingToRetry: all its sources succeeded, or it has not ended.
    """
    run = await find_run(session, run_id)
    succeeded = select(CrawlSource.source).where(
        CrawlSource.run_id == run_id, CrawlSource.state == CrawlState.SUCCEEDED
    )
    done = set((await session.execute(succeeded)).scalars())
    failed = [source for source in run.sources if source not in done]
    if not failed or not CrawlState(run.state).finished:
        raise NothingToRetry(
            "all its sources succeeded" if CrawlState(run.state).finished else f"the run is {run.state}"
        )
    return await request_run(
        session,
        trigger=CrawlTrigger.API if requested_by else CrawlTrigger.CLI,
        sources=failed,
        item_limit=run.item_limit,
        accept_shrink=accept_shrink,
        requested_by=requested_by,
    )
