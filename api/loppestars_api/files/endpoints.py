"""Processed photos under their stable links."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from loppestars_api.files.answers import send_object
from loppestars_api.files.dependencies import Files
from loppestars_api.files.service import NO_SUCH_FILE
from loppestars_api.state import State
from loppestars_api.web.errors import NotFound, answers
from loppestars_api.web.ranges import requested_range
from loppestars_core.storage.links import PUBLIC_PATH

router = APIRouter(
    tags=["files"],
    responses={
        HTTPStatus.OK.value: {
            "description": "The bytes",
            "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **answers(
            HTTPStatus.NOT_FOUND,
            HTTPStatus.REQUEST_URI_TOO_LONG,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)

# A photo that is withdrawn leaves caches within minutes: they may keep its bytes for a month, but ask every five
# minutes whether it is still published, and its tag saves sending them again.
_PUBLIC: Final = "public, max-age=300, must-revalidate"

Bucket = Annotated[str, Path(max_length=63)]
Key = Annotated[str, Path(max_length=900)]


@router.get(
    PUBLIC_PATH + "/{bucket}/{key:path}",
    response_class=Response,
    responses={
        HTTPStatus.PARTIAL_CONTENT.value: {"description": "The range of bytes that was asked for"},
        HTTPStatus.NOT_MODIFIED.value: {"description": "Unchanged"},
        **answers(HTTPStatus.GONE, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
    },
)
async def public_file(request: Request, state: State, files: Files, bucket: Bucket, key: Key) -> Response:
    """Return a processed photo. Originals are private: for them this answers as if they did not exist."""
    if bucket != state.settings.processed_bucket or "\x00" in key:
        raise NotFound(NO_SUCH_FILE)
    variant = await files.published(bucket, key)
    headers = {"Cache-Control": _PUBLIC, "ETag": f'"{variant.id}-{variant.bytes}"', "Accept-Ranges": "bytes"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    # A part of another version would be joined to the client's first part of this one.
    same_version = request.headers.get("if-range", headers["ETag"]) == headers["ETag"]
    part = requested_range(request.headers.get("range") if same_version else None, variant.bytes)
    return await send_object(await files.open_published(variant), headers, part=part)
