"""What each request to `/storage/v1` is worked on with, and what it names."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from loppestars_api.access.dependencies import Access, AccessControl
from loppestars_api.access.principal import Principal
from loppestars_api.files.dependencies import Files
from loppestars_api.files.service import FileService
from loppestars_api.photos.dependencies import Photos, PhotoService
from loppestars_api.state import State
from loppestars_api.supabase.callers import identify_by_bearer
from loppestars_api.supabase.storage.errors import access_denied, invalid_key, no_such_bucket
from loppestars_api.supabase.storage.links import LinkSigner
from loppestars_api.supabase.storage.objects import ObjectReader
from loppestars_core.storage import InvalidKey
from loppestars_core.storage.interface import check_key

PREFIX: Final = "/storage/v1"
# An object in a path, as `Named` and `Writable` read it.
PLACE: Final = "{bucket}/{key:path}"
# A separator that hides from whoever looks at the path before it is decoded.
_HIDDEN: Final = re.compile(rb"%(2f|5c|00)", re.IGNORECASE)

StorageCaller = Annotated[Principal, Depends(identify_by_bearer)]


@dataclass(frozen=True, slots=True)
class Buckets:
    """The two buckets: originals are written and private, processed photos are imaging's and public."""

    originals: str
    processed: str

    def check(self, bucket: str, *, writing: bool = False) -> str:
        """Return the bucket, if it exists and may be written to."""
        if bucket not in {self.originals, self.processed}:
            raise no_such_bucket()
        if writing and bucket == self.processed:
            raise access_denied()
        return bucket


@dataclass(frozen=True, slots=True)
class Context:
    """A request and the parts of the API that it needs."""

    request: Request
    access: Access
    photos: PhotoService
    files: FileService
    reader: ObjectReader
    signer: LinkSigner
    buckets: Buckets
    link_secret: bytes

    @property
    def upserts(self) -> bool:
        return self.request.headers.get("x-upsert", "").lower() == "true"


async def context_of(request: Request, access: AccessControl, photos: Photos, files: Files, state: State) -> Context:
    """Return the context of a request."""
    settings = state.settings
    return Context(
        request,
        access,
        photos,
        files,
        ObjectReader(photos.originals, settings.originals_bucket, files),
        LinkSigner(settings),
        Buckets(settings.originals_bucket, settings.processed_bucket),
        settings.signing_secret.get_secret_value().encode(),
    )


Storing = Annotated[Context, Depends(context_of)]


@dataclass(frozen=True, slots=True)
class Place:
    """An object's bucket and key, decoded and plain."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"


async def named_bucket(storing: Storing, bucket: str) -> str:
    """Return the bucket in the path, which exists."""
    return storing.buckets.check(bucket)


async def named_place(storing: Storing, bucket: str, key: str) -> Place:
    """Return the object in the path. A key that hides separators, climbs or is too long is refused."""
    if _HIDDEN.search(storing.request.scope.get("raw_path") or b""):
        raise invalid_key(key)
    try:
        return Place(storing.buckets.check(bucket), check_key(key))
    except InvalidKey:
        raise invalid_key(key) from None


async def writable_place(storing: Storing, place: Annotated[Place, Depends(named_place)]) -> Place:
    """Return the object in the path, in the bucket that is written to."""
    storing.buckets.check(place.bucket, writing=True)
    return place


Bucket = Annotated[str, Depends(named_bucket)]
Named = Annotated[Place, Depends(named_place)]
Writable = Annotated[Place, Depends(writable_place)]
