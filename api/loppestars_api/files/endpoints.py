"""Stored objects by link: processed photos under a stable one, everything else under one that expires."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from loppestars_api.files.media_types import media_type
from loppestars_api.state import AppState, State
from loppestars_api.web.errors import Forbidden, NotFound, answers
from loppestars_api.web.responses import StoredObjectResponse
from loppestars_core.storage import InvalidKey, ObjectNotFound, ObjectTooLarge
from loppestars_core.storage.links import PUBLIC_PATH, SIGNED_PATH, verify_link

router = APIRouter(
    tags=["files"],
    responses={
        HTTPStatus.OK.value: {
            "description": "The bytes",
            "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **answers(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)

# Whatever the limit of uploads is or becomes: what has been published is served.
MAX_SERVED_BYTES: Final = 1024**3
_PUBLIC: Final = "public, max-age=31536000, immutable"
_PRIVATE: Final = "private, no-store"
_NO_SUCH_FILE: Final = "There is no such file."

Bucket = Annotated[str, Path(max_length=63)]
Key = Annotated[str, Path(max_length=900)]


@router.get(PUBLIC_PATH + "/{bucket}/{key:path}", response_class=Response)
async def public_file(state: State, bucket: Bucket, key: Key) -> Response:
    """Return a processed photo. Originals are private: for them this answers as if they did not exist."""
    if bucket != state.settings.processed_bucket:
        raise NotFound(_NO_SUCH_FILE)
    return await _file(state, bucket, key, _PUBLIC)


@router.get(SIGNED_PATH + "/{bucket}/{key:path}", response_class=Response, responses=answers(HTTPStatus.FORBIDDEN))
async def signed_file(
    state: State,
    bucket: Bucket,
    key: Key,
    expires: Annotated[int, Query(ge=0, le=2**53, description="Unix time in seconds.")],
    signature: Annotated[str, Query(max_length=128)],
) -> Response:
    """Return any object, by a link that we signed and that has not expired."""
    settings = state.settings
    secret = settings.signing_secret.get_secret_value().encode()
    if not secret or bucket not in {settings.originals_bucket, settings.processed_bucket}:
        raise NotFound(_NO_SUCH_FILE)
    if not verify_link(bucket, key, expires, signature, secret):
        raise Forbidden("The link has expired or was changed; ask for a new one.")
    return await _file(state, bucket, key, _PRIVATE)


async def _file(state: AppState, bucket: str, key: str, cache_control: str) -> Response:
    try:
        stream = await state.storage.open(bucket, key, MAX_SERVED_BYTES)
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
