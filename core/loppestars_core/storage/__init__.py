"""Where photos are kept, behind one interface with two implementations: a folder and an S3 server."""

from loppestars_core.storage.factory import open_storage
from loppestars_core.storage.interface import (
    InvalidKey,
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    ObjectStream,
    ObjectTooLarge,
    Storage,
    StorageError,
    StorageUnavailable,
)

__all__ = [
    "InvalidKey",
    "ObjectExists",
    "ObjectInfo",
    "ObjectNotFound",
    "ObjectStream",
    "ObjectTooLarge",
    "Storage",
    "StorageError",
    "StorageUnavailable",
    "open_storage",
]
