"""`/storage/v1`: files of the app in the dialect of its client library."""

from fastapi import APIRouter

from loppestars_api.supabase.storage import reads, writes
from loppestars_api.supabase.storage.context import PREFIX

router = APIRouter()
# Reads first: their paths with a fixed word are looked at before `/object/{bucket}/…`.
router.include_router(reads.router)
router.include_router(writes.router)


def upload_paths(bucket: str) -> tuple[str, str]:
    """Return the paths below which a body may be a photo."""
    return f"{PREFIX}/object/{bucket}/", f"{PREFIX}/object/upload/sign/{bucket}/"
