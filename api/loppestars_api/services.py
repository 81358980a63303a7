"""What the routes work with while the API runs: opened in order at the start, closed in reverse at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_api.auth.accounts import Accounts
from loppestars_api.auth.tokens import TokenVerifier
from loppestars_api.crawls.opening import open_launcher
from loppestars_api.crawls.service import Crawls
from loppestars_api.health.readiness import Readiness
from loppestars_api.limits.approximate import ApproximateLimiter, keep_exchanging
from loppestars_api.limits.client_address import ClientAddresses
from loppestars_api.limits.exact import ExactLimiter
from loppestars_api.limits.rates import Rates
from loppestars_api.markets.repository import MarketRepository, open_market_pool
from loppestars_api.metrics import POOL_CONNECTIONS
from loppestars_api.photos.sent import MAX_RESULT_BYTES, SentPhotos
from loppestars_api.photos.uploaded import Limits, UploadedPhotos
from loppestars_api.photos.uploads import Uploads
from loppestars_api.photos.waiting import PhotoDesk
from loppestars_api.settings import ApiSettings
from loppestars_core.database.engine import create_engine
from loppestars_core.photos import PhotoListener
from loppestars_core.storage import Storage, open_storage

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Services:
    settings: ApiSettings
    engine: AsyncEngine
    storage: Storage
    verifier: TokenVerifier
    accounts: Accounts
    addresses: ClientAddresses
    rates: Rates
    limiter: ExactLimiter
    list_limiter: ApproximateLimiter
    readiness: Readiness
    markets: MarketRepository
    photo_desk: PhotoDesk
    uploaded_photos: UploadedPhotos
    sent_photos: SentPhotos
    uploads: Uploads
    crawls: Crawls


async def services_of(request: Request) -> Services:
    """For routes. Asynchronous, because FastAPI hands other dependencies to a thread at each request."""
    found: Services = request.app.state.services
    return found


ServicesOf = Annotated[Services, Depends(services_of)]


@asynccontextmanager
async def open_services(settings: ApiSettings) -> AsyncIterator[Services]:
    """Everything above. A database or storage that is down does not keep the API from starting: `/ready` tells."""
    async with AsyncExitStack() as stack:
        engine = create_engine(settings, application="loppestars-api")
        stack.push_async_callback(engine.dispose)
        for state, count in (("in_use", engine.pool.checkedout), ("idle", engine.pool.checkedin)):  # type: ignore[attr-defined]
            POOL_CONNECTIONS.labels(state).set_function(count)
        rates = Rates.of(settings)
        limiter = ExactLimiter(engine)
        list_limiter = ApproximateLimiter(rates.lists)
        storage = open_storage(settings)
        pool = await stack.enter_async_context(
            open_market_pool(
                settings, size=settings.database_read_pool_size, statement_seconds=settings.statement_timeout_seconds
            )
        )
        waiter = await stack.enter_async_context(PhotoListener(settings))
        launcher = open_launcher(settings, engine)
        stack.push_async_callback(launcher.close)
        await _in_background(stack, keep_exchanging(list_limiter, engine))
        crawls = Crawls(engine, launcher, settings.crawl_sources)
        await _in_background(
            stack, _keep_sweeping(limiter.sweep, lambda: list_limiter.sweep(engine), crawls.close_dead)
        )
        yield Services(
            settings=settings,
            engine=engine,
            storage=storage,
            verifier=TokenVerifier(settings),
            accounts=Accounts(engine),
            addresses=ClientAddresses(settings.trusted_proxies),
            rates=rates,
            limiter=limiter,
            list_limiter=list_limiter,
            readiness=Readiness(
                {
                    "database": lambda: _check_database(engine),
                    "storage": lambda: _check_storage(storage, settings),
                    "queue": lambda: _check_queue(engine, waiter),
                }
            ),
            markets=MarketRepository(pool),
            photo_desk=PhotoDesk(
                engine, waiter, capacity=settings.max_waiting_photos, wait_seconds=settings.photo_wait_seconds
            ),
            uploaded_photos=UploadedPhotos(
                engine,
                storage,
                settings.originals_bucket,
                Limits(settings.max_photo_bytes, timedelta(minutes=settings.tokenless_process_minutes)),
            ),
            sent_photos=SentPhotos(engine, storage, settings.originals_bucket, MAX_RESULT_BYTES),
            crawls=crawls,
            uploads=Uploads(at_once=settings.max_uploads, max_bytes=settings.max_photo_bytes),
        )


async def _in_background(stack: AsyncExitStack, work: Awaitable[None]) -> None:
    task = asyncio.ensure_future(work)

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(stop)


async def _keep_sweeping(*sweeps: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        for sweep in sweeps:
            try:
                await sweep()
            except (SQLAlchemyError, OSError) as error:
                log.warning("sweep_failed", error=type(error).__name__)


async def _check_database(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def _check_storage(storage: Storage, settings: ApiSettings) -> None:
    await asyncio.gather(storage.check(settings.originals_bucket), storage.check(settings.processed_bucket))


async def _check_queue(engine: AsyncEngine, waiter: PhotoListener) -> None:
    # Without notifications, finished photos would be seen late.
    await waiter.listening.wait()
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1 FROM procrastinate_jobs LIMIT 1"))
