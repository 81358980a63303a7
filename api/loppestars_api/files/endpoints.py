"""Stored objects by link: processed photos under a stable one, everything else under one that expires."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from loppestars_api.errors import Forbidden, NotFound, answers
from loppestars_api.files.media_types import media_type
from loppestars_api.limits.dependencies import limit_reads
from loppestars_api.responses import StoredObjectResponse
from loppestars_api.services import Services, ServicesOf
from loppestars_core.storage import InvalidKey, ObjectNotFound, ObjectTooLarge
from loppestars_core.storage.links import PUBLIC_PATH, SIGNED_PATH, verify_link

router = APIRouter(
    tags=["files"],
    dependencies=[Depends(limit_reads)],
    responses={
        200: {"description": "The bytes", "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}},
        **answers(404, 422, 429, 503),
    },
)

# A processed photo never changes (a new one has a new key), so everybody may keep it for ever.
_FOR_EVER = "public, max-age=31536000, immutable"
_KEPT_BY_NOBODY = "private, no-store"
_NO_SUCH_FILE = "There is no such file."

Bucket = Annotated[str, Path(max_length=63)]
Key = Annotated[str, Path(max_length=900)]


@router.get(PUBLIC_PATH + "/{bucket}/{key:path}", response_class=Response)
async def public_file(services: ServicesOf, bucket: Bucket, key: Key) -> Response:
    """A processed photo. Originals are private: for them this answers as if they did not exist."""
    if bucket != services.settings.processed_bucket:
        raise NotFound(_NO_SUCH_FILE)
    return await _file(services, bucket, key, _FOR_EVER)


@router.get(SIGNED_PATH + "/{bucket}/{key:path}", response_class=Response, responses=answers(403))
async def signed_file(
    services: ServicesOf,
    bucket: Bucket,
    key: Key,
    expires: Annotated[int, Query(ge=0, le=2**53, description="Unix time in seconds.")],
    signature: Annotated[str, Query(max_length=128)],
) -> Response:
    """Any object, by a link that we signed and that has not expired."""
    settings = services.settings
    secret = settings.signing_secret.get_secret_value().encode()
    if not secret or bucket not in {settings.originals_bucket, settings.processed_bucket}:
        raise NotFound(_NO_SUCH_FILE)
    if not verify_link(bucket, key, expires, signature, secret):
        raise Forbidden("The link has expired or was changed; ask for a new one.")
    return await _file(services, bucket, key, _KEPT_BY_NOBODY)


async def _file(services: Services, bucket: str, key: str, cache_control: str) -> Response:
    try:
        stream = await services.storage.open(bucket, key, services.settings.max_photo_bytes)
    except (ObjectNotFound, InvalidKey, ObjectTooLarge):
        raise NotFound(_NO_SUCH_FILE) from None
    try:
        first = await stream.read()
    except BaseException:
        await stream.close()
        raise
    # The type comes from the bytes, and browsers must not guess another: what is stored here came from strangers.
    headers = {"Cache-Control": cache_control, "X-Content-Type-Options": "nosniff"}
    return StoredObjectResponse(stream, first, media_type=media_type(first), headers=headers, close=stream.close)
