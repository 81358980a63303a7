"""Photos whose faces are made unrecognisable: those that were uploaded, and those sent in the request itself.

The API never decodes a photo. It writes a row and a job in one transaction, waits for imaging, and hands out the
result; imaging checks what the bytes are.
"""

from contextlib import AsyncExitStack
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from loppestars_api.access.dependencies import AccessControl, Caller
from loppestars_api.photos.dependencies import Photos
from loppestars_api.photos.ephemeral import negotiate
from loppestars_api.photos.schemas import ProcessRequest, ProcessResponse, Treatment
from loppestars_api.photos.stored import check_owner, check_repeat
from loppestars_api.web.errors import answers
from loppestars_api.web.responses import NO_STORE, StoredObjectResponse, json_response
from loppestars_core.kit.clock import now_utc

router = APIRouter(tags=["photos"])

# Routes that take a file in their body.
UPLOAD_PATHS: Final = ("/process-face",)
# Their callers may have no token: the released app has none.
TOKENLESS_PATHS: Final = ("/process", "/process-face")
_ERRORS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_IMAGES: Final[dict[str, Any]] = {
    name: {"schema": {"type": "string", "format": "binary"}} for name in ("image/jpeg", "image/png", "image/webp")
}


@router.post(
    "/process",
    response_model=ProcessResponse,
    responses=answers(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE, *_ERRORS),
)
async def process(caller: Caller, photos: Photos, access: AccessControl, body: ProcessRequest) -> Response:
    """Anonymise an uploaded photo and return the address of the result.

    The same call again, also after a 504, returns the result of the first; the owner may ask for other options. With a
    token its subject must be `userId`. Without one it works for originals of the last quarter of an hour.
    """
    check_owner(caller, body)
    since = monotonic()
    with photos.waiter.slot():
        known = await photos.stored.find(body.image_path)
        if known is None:
            await access.limiter.take(access.rates.photos, caller.limit_key)
            photo_id = await photos.stored.request(caller, body)
        else:
            check_repeat(known, caller, photos.stored.limits, now_utc())
            photo_id = known.id
            if await photos.stored.request_again(caller, body, known):
                await access.limiter.take(access.rates.photos, caller.limit_key)
        finished = await photos.waiter.wait_for(photo_id, since)
    return json_response(await photos.stored.response_of(finished), headers=NO_STORE)


@router.post(
    "/process-face",
    response_class=Response,
    responses={
        HTTPStatus.OK.value: {
            "description": "The anonymised photo",
            "content": _IMAGES,
            "headers": {"X-Faces-Detected": {"schema": {"type": "integer", "minimum": 0}}},
        },
        **answers(*_ERRORS),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {
                            "file": {"type": "string", "format": "binary", "description": "Any field name works."},
                            **Treatment.model_json_schema()["properties"],
                        },
                    }
                }
            },
        }
    },
)
async def process_face(request: Request, caller: Caller, photos: Photos, access: AccessControl) -> Response:
    """Anonymise the photo in this request and return it; nothing of it is kept.

    JPEG, PNG and WebP keep their format unless `Accept` asks for `image/jpeg`; other readable formats become JPEG.
    """
    await access.limiter.take(access.rates.photos, caller.limit_key)
    output = negotiate(request.headers.get("accept"))
    async with AsyncExitStack() as stack:
        photo_id = await stack.enter_async_context(photos.ephemeral.gone_afterwards())
        with photos.waiter.slot():
            async with photos.uploads.receive(request, caller.limit_key) as upload:
                treatment = Treatment.of_fields(upload.fields)
                await photos.ephemeral.keep(photo_id, await upload.read())
            since = monotonic()
            await photos.ephemeral.request(photo_id, caller, treatment.options(output))
            finished = await photos.waiter.wait_for(photo_id, since)
        stream = await photos.ephemeral.open_result(finished)
        stack.push_async_callback(stream.close)
        first = await stream.read()
        # The object stays until the caller has it, or has gone.
        gone = stack.pop_all()
    headers = {**NO_STORE, "X-Faces-Detected": str(finished.photo.faces or 0)}
    return StoredObjectResponse(stream, first, media_type=finished.result.format, headers=headers, close=gone.aclose)
