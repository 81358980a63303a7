"""Something at the other end of the photo queue, for tests of the API: the real queue, claims and storage, no imaging.

What it does with the bytes is decided by their beginning, so that a test says what should happen in the photo itself:
`fail:<code>` fails with that code, `busy:<code>` gives the photo back once, `wait` waits for `release`, and anything
else is a photo with as many faces as it has exclamation marks.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from loppestars_core.database.engine import sessions
from loppestars_core.kit.settings import DatabaseSettings
from loppestars_core.photos import (
    Claim,
    FailureCode,
    NewVariant,
    claim_photo,
    complete_photo,
    fail_photo,
    release_photo,
)
from loppestars_core.photos.ephemeral import ephemeral_result_key
from loppestars_core.photos.models import PhotoSubject
from loppestars_core.queue.app import queue_app
from loppestars_core.queue.photo_jobs import PHOTO_QUEUE, PROCESS_PHOTO
from loppestars_core.storage import Storage

ORIGINALS, PROCESSED = "stall-photos", "stall-photos-processed"


@dataclass
class PhotoConsumer:
    engine: AsyncEngine
    storage: Storage
    release: asyncio.Event = field(default_factory=asyncio.Event)
    claims: list[Claim] = field(default_factory=list)

    async def work(self, photo_id: str) -> None:
        async with sessions(self.engine).begin() as session:
            claim = await claim_photo(session, uuid.UUID(photo_id))
        if claim is None:
            return
        self.claims.append(claim)
        data = await self.storage.get(ORIGINALS, claim.original_key, 1_000_000)
        word, _, code = data.decode("utf-8", "replace").partition(":")
        if word.startswith("wait"):
            await self.release.wait()
        async with sessions(self.engine).begin() as session:
            if word == "fail":
                await fail_photo(session, claim, FailureCode(code), f"sentence about {code}")
            elif word == "busy":
                await release_photo(session, claim, FailureCode(code))
            else:
                await self._complete(session, claim, data)

    async def _complete(self, session: Any, claim: Claim, data: bytes) -> None:
        temporary = claim.subject is PhotoSubject.EPHEMERAL
        bucket = ORIGINALS if temporary else PROCESSED
        key = ephemeral_result_key(claim.photo_id) if temporary else f"{claim.photo_id.hex}.jpg"
        result = b"\xff\xd8\xff " + data + f" {claim.options.mode} {claim.options.output}".encode()
        await self.storage.put(bucket, key, result, "image/jpeg")
        variant = NewVariant(bucket, key, "image/jpeg", 4, 3, len(result))
        await complete_photo(session, claim, variant, faces=data.count(b"!"), content_hash="0" * 64)


@asynccontextmanager
async def consuming(settings: DatabaseSettings, consumer: PhotoConsumer) -> AsyncIterator[PhotoConsumer]:
    """Run the consumer as a worker of the real queue."""
    app = queue_app(settings)

    @app.task(name=PROCESS_PHOTO, queue=PHOTO_QUEUE)
    async def process(photo_id: str, request_id: str | None = None) -> None:
        del request_id
        await consumer.work(photo_id)

    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                queues=[PHOTO_QUEUE],
                concurrency=4,
                install_signal_handlers=False,
                listen_notify=True,
                fetch_job_polling_interval=0.2,
                wait=True,
            )
        )
        try:
            yield consumer
        finally:
            consumer.release.set()
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
