"""Reads of `/storage/v1`: objects, what is known of them, lists, and links that expire."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.responses import Response

from loppestars_api.files.answers import send_object
from loppestars_api.supabase.storage.bodies import ListBody, ListV2Body, SignBody, SignManyBody, read_json
from loppestars_api.supabase.storage.context import PLACE, PREFIX, Bucket, Context, Named, Place, StorageCaller, Storing
from loppestars_api.supabase.storage.errors import invalid_link, no_such_object
from loppestars_api.supabase.storage.listing import level, page
from loppestars_api.supabase.storage.objects import CACHE_CONTROL, StoredObject
from loppestars_api.web.errors import Forbidden
from loppestars_api.web.ranges import requested_range
from loppestars_api.web.responses import NO_STORE, json_response
from loppestars_core.photos.formats import media_type
from loppestars_core.storage import InvalidKey, ObjectInfo
from loppestars_core.storage.links import verify_link

router = APIRouter(prefix=PREFIX, include_in_schema=False)
MAX_NAME: Final = 200
_NOT_YOURS: Final = "Either the object does not exist or you do not have access to it"

Download = Annotated[str | None, Query(max_length=MAX_NAME)]


@router.get("/object/info/public/" + PLACE)
async def public_info(storing: Storing, place: Named) -> Response:
    """Describe a processed photo, to anyone."""
    if place.bucket != storing.buckets.processed:
        raise no_such_object()
    return await _describe(await storing.reader.find("", place.bucket, place.key))


@router.get("/object/info/" + PLACE)
@router.get("/object/info/authenticated/" + PLACE)
async def info(caller: StorageCaller, storing: Storing, place: Named) -> Response:
    """Describe an object."""
    return await _describe(await storing.reader.find(caller.id, place.bucket, place.key))


@router.get("/object/sign/" + PLACE)
async def signed_object(storing: Storing, place: Named, *, token: str = "", download: Download = None) -> Response:
    """Return an object by a link of the app, or by one of our own storage (`expires` and `signature`)."""
    if "signature" in storing.request.query_params:
        return await _linked(storing, place)
    if not token:
        raise invalid_link()
    claims = storing.signer.check("read", str(place), token)
    found = await storing.reader.find(str(claims.get("owner", "")), place.bucket, place.key)
    return await _send(storing, found, download)


@router.post("/object/sign/" + PLACE)
async def sign(caller: StorageCaller, storing: Storing, place: Named) -> Response:
    """Return a link that reads an object of the caller's until it expires."""
    body = await read_json(storing.request, SignBody)
    await storing.reader.find(caller.id, place.bucket, place.key)
    return json_response({"signedURL": _link(storing, place, caller.id, body.expires_in)})


@router.post("/object/sign/{bucket}")
async def sign_many(caller: StorageCaller, storing: Storing, bucket: Bucket) -> Response:
    """Return a link for each of the caller's objects that are named."""
    body = await read_json(storing.request, SignManyBody)
    own = {item.key for item in await _listed(storing, caller.id, bucket, "")}

    def entry(path: str) -> dict[str, str | None]:
        if path not in own:
            return {"error": _NOT_YOURS, "path": path, "signedURL": None}
        link = _link(storing, Place(bucket, path), caller.id, body.expires_in)
        return {"error": None, "path": path, "signedURL": link}

    return json_response([entry(path) for path in body.paths])


@router.post("/object/list/{bucket}")
async def list_level(caller: StorageCaller, storing: Storing, bucket: Bucket) -> Response:
    """List what of the caller's lies directly in a folder."""
    body = await read_json(storing.request, ListBody)
    return json_response(level(bucket, await _listed(storing, caller.id, bucket, body.prefix.strip("/")), body))


@router.post("/object/list-v2/{bucket}")
async def list_page(caller: StorageCaller, storing: Storing, bucket: Bucket) -> Response:
    """List the caller's keys with a prefix."""
    body = await read_json(storing.request, ListV2Body)
    return json_response(page(bucket, await _listed(storing, caller.id, bucket, body.prefix), body))


@router.get("/bucket")
async def buckets(_caller: StorageCaller) -> Response:
    """List no bucket: which there are is not for clients to see."""
    return json_response([])


@router.get("/object/" + PLACE)
@router.get("/object/authenticated/" + PLACE)
async def own_object(caller: StorageCaller, storing: Storing, place: Named, download: Download = None) -> Response:
    """Return an object."""
    return await _send(storing, await storing.reader.find(caller.id, place.bucket, place.key), download)


async def _send(storing: Context, found: StoredObject, download: str | None) -> Response:
    """Return the object, or 304 where the client has it already."""
    request, headers = storing.request, found.headers
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if download is not None:
        name = f" filename*=UTF-8''{quote(download, safe='')}" if download else ""
        headers["Content-Disposition"] = f"attachment;{name}"
    part = requested_range(request.headers.get("range"), found.size)
    head_only = request.scope.get("head_only", False)
    return await send_object(await found.open(), headers, head_only=head_only, part=part)


async def _describe(found: StoredObject) -> Response:
    """Return what is known of the object; its type is that of its bytes."""
    stream = await found.open()
    try:
        content_type = media_type(await stream.read())
    finally:
        await stream.close()
    return json_response(found.description(content_type), headers={**NO_STORE, "ETag": found.tag})


async def _linked(storing: Context, place: Place) -> Response:
    query, secret = storing.request.query_params, storing.link_secret
    expires = query.get("expires", "")
    known = secret and expires.isascii() and expires.isdigit()
    if not known or not verify_link(place.bucket, place.key, int(expires[:15]), query["signature"], secret):
        raise Forbidden("The link has expired or was changed; ask for a new one.")
    return await send_object(await storing.files.open(place.bucket, place.key), {"Cache-Control": CACHE_CONTROL})


async def _listed(storing: Context, user_id: str, bucket: str, prefix: str) -> Sequence[ObjectInfo]:
    if bucket != storing.buckets.originals:
        return ()
    try:
        return await storing.photos.originals.list(user_id, prefix)
    except InvalidKey:  # nothing can be there
        return ()


def _link(storing: Context, place: Place, owner: str, seconds: int) -> str:
    # Not quoted: clients do that with what they get.
    return f"/object/sign/{place}?token={storing.signer.sign('read', str(place), seconds, owner=owner)}"
