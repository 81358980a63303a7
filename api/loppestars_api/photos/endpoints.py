"""Photos whose faces are made unrecognisable: those that were uploaded, and those sent in the request itself.

The API never decodes a photo. It writes a row and a job in one transaction, waits for imaging, and hands out the
result; imaging checks what the bytes are.
"""

from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from loppestars_api.auth.dependencies import Caller
from loppestars_api.errors import answers
from loppestars_api.photos.schemas import ProcessRequest, ProcessResponse, Treatment
from loppestars_api.photos.sent import negotiate
from loppestars_api.photos.uploaded import check_owner
from loppestars_api.responses import StoredObjectResponse, json_response
from loppestars_api.services import ServicesOf

router = APIRouter(tags=["photos"])

_COMMON = (400, 401, 408, 413, 415, 422, 429, 503, 504)
_NO_STORE = {"Cache-Control": "no-store"}
_IMAGES: dict[str, Any] = {
    name: {"schema": {"type": "string", "format": "binary"}} for name in ("image/jpeg", "image/png", "image/webp")
}


@router.post("/process", response_model=ProcessResponse, responses=answers(403, 404, *_COMMON))
async def process(caller: Caller, services: ServicesOf, body: ProcessRequest) -> Response:
    """Make the faces of an uploaded photo unrecognisable, and return the address of the result.

    The same call again, also after a 504, returns the result of the first. With a token its subject must be `userId`.
    Without one it works for originals that are younger than a quarter of an hour.
    """
    check_owner(caller, body)
    with services.photo_desk.place():
        photo_id = await services.uploaded_photos.find(body.image_path)
        if photo_id is None:
            await services.limiter.take(services.rates.photos, caller.limit_key)
            photo_id = await services.uploaded_photos.request(caller, body)
        else:
            services.list_limiter.take(caller.limit_key)
        finished = await services.photo_desk.wait_for(photo_id)
    return json_response(services.uploaded_photos.response_of(finished), headers=_NO_STORE)


@router.post(
    "/process-face",
    response_class=Response,
    responses={
        200: {
            "description": "The photo itself, less what identifies people",
            "content": _IMAGES,
            "headers": {"X-Faces-Detected": {"schema": {"type": "integer", "minimum": 0}}},
        },
        **answers(*_COMMON),
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
                            "file": {"type": "string", "format": "binary", "description": "Any field name will do."},
                            **Treatment.model_json_schema()["properties"],
                        },
                    }
                }
            },
        }
    },
)
async def process_face(request: Request, caller: Caller, services: ServicesOf) -> Response:
    """Make the faces of the photo in this request unrecognisable, and return it; nothing of it is kept.

    JPEG, PNG and WebP keep their format unless `Accept` asks for `image/jpeg`; other readable formats become JPEG.
    """
    await services.limiter.take(services.rates.photos, caller.limit_key)
    photos = services.sent_photos
    output = negotiate(request.headers.get("accept"))
    async with AsyncExitStack() as stack:
        photo_id = await stack.enter_async_context(photos.gone_afterwards())
        with services.photo_desk.place():
            async with services.uploads.receive(request) as upload:
                await photos.keep(photo_id, await upload.read())
            await photos.request(photo_id, caller, upload.treatment.options(output))
            finished = await services.photo_desk.wait_for(photo_id)
        stream = await photos.result(finished)
        stack.push_async_callback(stream.close)
        first = await stream.read()
        # The object stays until the caller has it, or has gone.
        gone = stack.pop_all()
    headers = {**_NO_STORE, "X-Faces-Detected": str(finished.photo.faces or 0)}
    return StoredObjectResponse(stream, first, media_type=finished.result.format, headers=headers, close=gone.aclose)
