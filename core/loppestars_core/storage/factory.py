"""Choose the implementation by the settings."""

import functools
from pathlib import Path

from loppestars_core.kit.settings import StorageSettings
from loppestars_core.storage.files import FileStorage
from loppestars_core.storage.interface import Storage
from loppestars_core.storage.s3 import S3Storage, make_client


def open_storage(settings: StorageSettings) -> Storage:
    """Storage in STORAGE_DIR where it is set, else on the S3 server that the settings name."""
    base_url = str(settings.public_url)
    if settings.storage_dir is not None:
        secret = settings.signing_secret.get_secret_value().encode()
        return FileStorage(Path(settings.storage_dir), base_url, secret)
    key, secret_key = settings.s3_access_key_id, settings.s3_secret_access_key
    client = functools.partial(
        make_client,
        endpoint_url=str(settings.s3_endpoint_url).rstrip("/") if settings.s3_endpoint_url else None,
        region=settings.s3_region,
        path_style=settings.s3_path_style,
        access_key_id=key.get_secret_value() if key else None,
        secret_access_key=secret_key.get_secret_value() if secret_key else None,
    )
    return S3Storage(client, base_url, str(settings.s3_public_url) if settings.s3_public_url else None)
