"""The photo state machine on a real database: claims, failures, and who may finish a photo."""

import asyncio
import uuid

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from loppestars_core.accounts.users import ensure_user
from loppestars_core.database.engine import sessions
from loppestars_core.events.models import DomainEvent
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.photos import (
    MAX_ATTEMPTS,
    FailureCode,
    NewVariant,
    PhotoListener,
    PhotoOptions,
    PhotoRequest,
    claim_photo,
    complete_photo,
    fail_photo,
    find_photo,
    release_photo,
    request_photo,
)
from loppestars_core.photos.models import Photo, PhotoSubject, Visibility
from loppestars_core.queue.app import queue_app, recover_stalled_jobs
from loppestars_core.queue.photo_jobs import PHOTO_QUEUE, read_queue_state

RESULT = NewVariant("stall-photos-processed", "u1/x.jpg", "image/jpeg", 640, 480, 1234)


async def new_photo(session: AsyncSession, key: str = "u1/1.jpg") -> Photo:
    await ensure_user(session, "u1")
    photo = await request_photo(session, PhotoRequest(key, "u1", PhotoOptions()))
    await session.commit()
    return photo


class TestRequest:
    async def test_row_and_job_are_one_transaction(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """A rolled-back request leaves neither; a committed one both."""
        await ensure_user(session, "u1")
        await request_photo(session, PhotoRequest("u1/1.jpg", "u1", PhotoOptions()))
        await session.rollback()
        assert (await read_queue_state(session)).waiting == 0
        assert (await session.execute(select(func.count()).select_from(Photo))).scalar_one() == 0
        await new_photo(session)
        assert (await read_queue_state(session)).waiting == 1

    async def test_the_same_original_is_the_same_photo(self, engine: AsyncEngine, session: AsyncSession) -> None:
        """Ten calls at once make one photo and one job."""
        await ensure_user(session, "u1")
        await session.commit()

        async def ask() -> uuid.UUID:
            async with sessions(engine).begin() as own:
                return (await request_photo(own, PhotoRequest("u1/1.jpg", "u1", PhotoOptions()))).id

        assert len(set(await asyncio.gather(*(ask() for _ in range(10))))) == 1
        assert (await read_queue_state(session)).waiting == 1


class TestClaim:
    async def test_only_the_newest_claim_finishes(self, session: AsyncSession) -> None:
        """A worker that was believed dead and comes back changes nothing."""
        photo = await new_photo(session)
        first = await claim_photo(session, photo.id)
        second = await claim_photo(session, photo.id)
        assert first is not None
        assert second is not None
        assert not await complete_photo(session, first, RESULT, faces=1, content_hash="a")
        assert not await fail_photo(session, first, FailureCode.UNREADABLE)
        assert await complete_photo(session, second, RESULT, faces=2, content_hash="b")
        await session.commit()
        found = await find_photo(session, photo.id)
        assert found is not None
        assert (found[0].state, found[0].faces, found[0].visibility) == ("completed", 2, "public")
        assert found[1] is not None
        assert found[1].key == RESULT.key
        assert await claim_photo(session, photo.id) is None

    async def test_three_dead_workers_fail_it(self, session: AsyncSession) -> None:
        """The fourth claim fails the photo instead, and nothing of it is public."""
        photo = await new_photo(session)
        for _ in range(MAX_ATTEMPTS):
            assert await claim_photo(session, photo.id) is not None
        assert await claim_photo(session, photo.id) is None
        await session.commit()
        found = await find_photo(session, photo.id)
        assert found is not None
        assert (found[0].state, found[0].error_code, found[0].visibility) == ("failed", "worker_died", "private")

    async def test_a_release_does_not_count(self, session: AsyncSession) -> None:
        """Storage that is down for long does not use up the attempts."""
        photo = await new_photo(session)
        for _ in range(MAX_ATTEMPTS + 2):
            claim = await claim_photo(session, photo.id)
            assert claim is not None
            assert await release_photo(session, claim, FailureCode.STORAGE_UNAVAILABLE)
        with pytest.raises(ValueError, match="final"):
            await release_photo(session, claim, FailureCode.UNREADABLE)

    async def test_no_faces_publishes_and_temporary_does_not(self, session: AsyncSession) -> None:
        """A clean run without faces is public; a temporary photo never is."""
        await ensure_user(session, "u1")
        for subject, visibility in ((PhotoSubject.RATING, "public"), (PhotoSubject.EPHEMERAL, "private")):
            photo = await request_photo(session, PhotoRequest(subject, "u1", PhotoOptions(), subject))
            claim = await claim_photo(session, photo.id)
            assert claim is not None
            variant = NewVariant("b", subject, "image/jpeg", 1, 1, 1)
            assert await complete_photo(session, claim, variant, faces=0, content_hash="a")
            found = await find_photo(session, photo.id)
            assert found is not None
            assert (found[0].state, found[0].visibility) == ("no_faces", visibility)

    async def test_the_database_refuses_a_public_failure(self, session: AsyncSession) -> None:
        """Even a bug cannot make an unprocessed photo public."""
        photo = await new_photo(session)
        with pytest.raises(Exception, match="public_only_when_processed"):
            await session.execute(
                text("UPDATE photos SET visibility = :v WHERE id = :id"), {"v": Visibility.PUBLIC, "id": photo.id}
            )

    async def test_every_change_is_an_event(self, session: AsyncSession) -> None:
        """Events come in the order of the changes."""
        photo = await new_photo(session)
        claim = await claim_photo(session, photo.id)
        assert claim is not None
        await release_photo(session, claim, FailureCode.STORAGE_UNAVAILABLE)
        assert not await release_photo(session, claim, FailureCode.STORAGE_UNAVAILABLE), "it is not ours any more"
        claim = await claim_photo(session, photo.id)
        assert claim is not None
        await complete_photo(session, claim, RESULT, faces=3, content_hash="a")
        events = await session.execute(select(DomainEvent.event, DomainEvent.payload).order_by(DomainEvent.id))
        assert [tuple(event) for event in events] == [
            ("photo.requested", {}),
            ("photo.processing", {"attempt": 1}),
            ("photo.pending", {"error_code": "storage_unavailable"}),
            ("photo.processing", {"attempt": 1}),
            ("photo.completed", {"faces": 3}),
        ]


class TestWaiting:
    async def test_woken_by_the_commit(
        self, engine: AsyncEngine, session: AsyncSession, database_settings: DatabaseSettings
    ) -> None:
        """A waiting request is woken at once when the result commits, and not before."""
        photo = await new_photo(session)
        async with PhotoListener(database_settings) as waiter, waiter.watch(photo.id) as changed:
            await asyncio.wait_for(waiter.listening.wait(), 5)
            changed.clear()
            claim = await claim_photo(session, photo.id)
            assert claim is not None
            await complete_photo(session, claim, RESULT, faces=1, content_hash="a")
            await asyncio.sleep(0.1)
            assert not changed.is_set()
            await session.commit()
            await asyncio.wait_for(changed.wait(), 2)

    async def test_survives_a_lost_connection(
        self, engine: AsyncEngine, session: AsyncSession, database_settings: DatabaseSettings
    ) -> None:
        """When the server ends the connection everybody is woken, and listening goes on."""
        photo = await new_photo(session)
        async with PhotoListener(database_settings) as waiter, waiter.watch(photo.id) as changed:
            await asyncio.wait_for(waiter.listening.wait(), 5)
            changed.clear()
            await session.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"),
                {"name": "loppestars-waiter"},
            )
            await session.commit()
            await asyncio.wait_for(changed.wait(), 5)
            await asyncio.wait_for(waiter.listening.wait(), 5)


class TestRecovery:
    async def test_a_silent_workers_job_is_handed_out_again(
        self, session: AsyncSession, database_settings: DatabaseSettings
    ) -> None:
        """A job whose worker stopped its heartbeat goes back to the queue; one of a living worker does not."""
        await new_photo(session)
        app = queue_app(database_settings)
        async with app.open_async():
            worker = await app.job_manager.register_worker()
            job = await app.job_manager.fetch_job(queues=None, worker_id=worker)
            assert job is not None
            assert await recover_stalled_jobs(app, PHOTO_QUEUE) == []
            await session.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"))
            await session.commit()
            assert await recover_stalled_jobs(app, PHOTO_QUEUE) == [job.id]
            again = await app.job_manager.fetch_job(queues=None, worker_id=worker)
            assert again is not None
            assert again.task_kwargs == job.task_kwargs
