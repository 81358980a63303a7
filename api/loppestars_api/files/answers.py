"""Stored objects as answers: their type comes from their bytes, because what is stored here came from strangers."""

from collections.abc import Mapping

from starlette.responses import Response

from loppestars_api.web.responses import StoredObjectResponse
from loppestars_core.photos.formats import media_type
from loppestars_core.storage import ObjectStream


async def send_object(
    stream: ObjectStream, headers: Mapping[str, str], *, head_only: bool = False, part: range | None = None
) -> Response:
    """Return an answer that passes the object on and closes it; only its head where no more is asked for."""
    try:
        first = await stream.read()
    except BaseException:
        await stream.close()
        raise
    found = media_type(first)
    if head_only:
        await stream.close()
        return Response(headers={**headers, "Content-Length": str(stream.size)}, media_type=found)
    return StoredObjectResponse(stream, first, media_type=found, headers=headers, close=stream.close, part=part)
