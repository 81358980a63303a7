"""Writes of `/storage/v1`: uploads, deletes, copies, all in the caller's own folder of the bucket of originals."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from loppestars_api.supabase.storage.bodies import DeleteBody, MoveBody, read_json
from loppestars_api.supabase.storage.context import (
    PLACE,
    PREFIX,
    Bucket,
    Context,
    Named,
    Place,
    StorageCaller,
    Storing,
    Writable,
)
from loppestars_api.supabase.storage.errors import no_such_object, not_offered, refusals
from loppestars_api.supabase.storage.links import UPLOAD_SECONDS
from loppestars_api.supabase.storage.listing import file_entry
from loppestars_api.supabase.storage.objects import object_id
from loppestars_api.web.responses import json_response

router = APIRouter(prefix=PREFIX, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Upload:
    """Where a file goes, whose it is, and whom it counts for."""

    place: Place
    owner: str
    limit_key: str
    replace: bool


@router.post("/object/upload/sign/" + PLACE)
async def sign_upload(caller: StorageCaller, storing: Storing, place: Writable) -> Response:
    """Return a link by which the caller's file may be uploaded without their token."""
    with refusals(place.key):
        await storing.photos.originals.check_new(caller.id, place.key, replace=storing.upserts)
    claims = {"owner": caller.id, "upsert": storing.upserts}
    token = storing.signer.sign("upload", str(place), UPLOAD_SECONDS, **claims)
    return json_response({"url": f"/object/upload/sign/{place}?token={token}", "token": token})


@router.put("/object/upload/sign/" + PLACE)
async def upload_signed(storing: Storing, place: Writable, token: str = "") -> Response:
    """Store a file by such a link."""
    claims = storing.signer.check("upload", str(place), token)
    owner = str(claims.get("owner", ""))
    return await _receive(storing, _Upload(place, owner, f"user:{owner}", claims.get("upsert") is True))


@router.post("/object/move")
async def move(caller: StorageCaller, storing: Storing) -> Response:
    """Give an object of the caller's another name."""
    body, originals = await _places(storing), storing.photos.originals
    with refusals(body.source_key):
        await originals.copy(caller.id, body.source_key, body.destination_key, replace=False)
        await originals.delete(caller.id, [body.source_key])
    return json_response({"message": "Successfully moved"})


@router.post("/object/copy")
async def copy(caller: StorageCaller, storing: Storing) -> Response:
    """Store an object of the caller's under another name as well."""
    body = await _places(storing)
    key = body.destination_key
    with refusals(body.source_key):
        await storing.photos.originals.copy(caller.id, body.source_key, key, replace=storing.upserts)
    return json_response({"Key": f"{body.bucket_id}/{key}", "Id": object_id(body.bucket_id, key)})


@router.delete("/object/{bucket}")
async def delete_many(caller: StorageCaller, storing: Storing, bucket: Bucket) -> Response:
    """Delete those of the named objects that are the caller's, and return them."""
    body = await read_json(storing.request, DeleteBody)
    keys = body.prefixes if bucket == storing.buckets.originals else []
    deleted = await storing.photos.originals.delete(caller.id, keys)
    more = {"bucket_id": bucket, "owner": caller.id}
    return json_response([{**file_entry(bucket, info, info.key), **more} for info in deleted])


@router.delete("/object/" + PLACE)
async def delete_one(caller: StorageCaller, storing: Storing, place: Named) -> Response:
    """Delete an object of the caller's."""
    deletable = place.bucket == storing.buckets.originals
    if not deletable or not await storing.photos.originals.delete(caller.id, [place.key]):
        raise no_such_object()
    return json_response({"message": "Successfully deleted"})


@router.post("/object/" + PLACE)
async def upload(caller: StorageCaller, storing: Storing, place: Writable) -> Response:
    """Store a new file: the whole body, or a file in a form."""
    return await _receive(storing, _Upload(place, caller.id, caller.limit_key, storing.upserts))


@router.put("/object/" + PLACE)
async def replace(caller: StorageCaller, storing: Storing, place: Writable) -> Response:
    """Store a file in the place of one that is there."""
    with refusals(place.key):
        await storing.photos.originals.stat(caller.id, place.key)
    return await _receive(storing, _Upload(place, caller.id, caller.limit_key, replace=True))


async def _receive(storing: Context, wanted: _Upload) -> Response:
    key, photos, access = wanted.place.key, storing.photos, storing.access
    with refusals(key):
        # Before the first byte is asked for.
        await photos.originals.check_new(wanted.owner, key, replace=wanted.replace)
        await access.limiter.take(access.rates.photos, wanted.limit_key)
        async with photos.uploads.receive_any(storing.request, wanted.limit_key) as received:
            await photos.originals.store(wanted.owner, key, received.file, replace=wanted.replace)
    return json_response({"Key": str(wanted.place), "Id": object_id(wanted.place.bucket, key)})


async def _places(storing: Context) -> MoveBody:
    body = await read_json(storing.request, MoveBody)
    storing.buckets.check(body.bucket_id, writing=True)
    if body.destination_bucket not in {None, body.bucket_id}:
        raise not_offered("copies between buckets")
    return body
