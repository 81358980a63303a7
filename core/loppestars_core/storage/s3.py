"""Storage on an S3 server, by boto3 in threads.

Requests are signed with version 4, also presigned links: servers other than AWS refuse the older version.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from loppestars_core.storage.interface import (
    ObjectExists,
    ObjectInfo,
    ObjectNotFound,
    ObjectStream,
    ObjectTooLarge,
    StorageUnavailable,
    check_key,
)
from loppestars_core.storage.links import public_link

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

Result = TypeVar("Result")
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_EXISTING: Final = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict"})
_PAGE: Final = 1000


class S3Storage:
    """Objects on an S3 server.

    Args:
        client: makes a boto3 S3 client (see `make_client`), which takes half a second: when it is needed, on a thread.
        base_url: the API's address; public objects are served below it, so their links outlive a change of storage.
        public_base_url: where clients read the processed bucket directly instead (a CDN), when there is such a place.
    """

    def __init__(self, client: Callable[[], "S3Client"], base_url: str, public_base_url: str | None = None) -> None:
        self._make_client = client
        self._making = threading.Lock()
        self._made: S3Client | None = None
        self._base_url = base_url
        self._public_base_url = public_base_url

    @property
    def _client(self) -> "S3Client":
        with self._making:
            if self._made is None:
                self._made = self._make_client()
            return self._made

    async def put(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        check_key(key)
        await _in_thread(lambda: self._client.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type))

    async def put_file(self, bucket: str, key: str, file: IO[bytes], content_type: str, *, replace: bool) -> None:
        check_key(key)
        await _in_thread(lambda: self._put_file(bucket, key, file, content_type, replace=replace))

    async def get(self, bucket: str, key: str, max_bytes: int) -> bytes:
        check_key(key)
        return await _in_thread(lambda: self._read(bucket, key, max_bytes))

    async def open(self, bucket: str, key: str, max_bytes: int) -> ObjectStream:
        check_key(key)
        body, size = await _in_thread(lambda: self._open(bucket, key, max_bytes))
        return ObjectStream(
            size, lambda count: _in_thread(lambda: body.read(count)), lambda: asyncio.to_thread(body.close)
        )

    async def stat(self, bucket: str, key: str) -> ObjectInfo:
        check_key(key)
        found = await _in_thread(lambda: self._client.head_object(Bucket=bucket, Key=key))
        return ObjectInfo(key, found["ContentLength"], found["LastModified"])

    async def delete(self, bucket: str, key: str) -> None:
        check_key(key)
        try:
            await _in_thread(lambda: self._client.delete_object(Bucket=bucket, Key=key))
        except ObjectNotFound:
            return  # some servers answer 404 where AWS answers 204

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        token: str | None = None
        while True:
            page = await _in_thread(lambda token=token: self._page(bucket, prefix, token))  # type: ignore[misc]
            for item in page.get("Contents", []):
                yield ObjectInfo(item["Key"], item["Size"], item["LastModified"])
            token = page.get("NextContinuationToken")
            if token is None:
                return

    async def signed_url(self, bucket: str, key: str, expires_in: timedelta) -> str:
        check_key(key)
        return await _in_thread(
            lambda: self._client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=int(expires_in.total_seconds())
            )
        )

    def public_url(self, bucket: str, key: str) -> str:
        check_key(key)
        if self._public_base_url is not None:
            return f"{self._public_base_url.rstrip('/')}/{bucket}/{key}"
        return public_link(self._base_url, bucket, key)

    async def check(self, bucket: str) -> None:
        try:
            await _in_thread(lambda: self._client.head_bucket(Bucket=bucket))
        except ObjectNotFound:
            raise StorageUnavailable(f"the bucket {bucket} does not exist; create it") from None

    def _put_file(self, bucket: str, key: str, file: IO[bytes], content_type: str, *, replace: bool) -> None:
        only_new: dict[str, Any] = {}
        if not replace:
            # Asked first as well, for servers that do not know the condition.
            with contextlib.suppress(ObjectNotFound):
                _explained(lambda: self._client.head_object(Bucket=bucket, Key=key))
                raise ObjectExists("there is such an object already")
            only_new = {"IfNoneMatch": "*"}
        file.seek(0)
        self._client.put_object(Bucket=bucket, Key=key, Body=file, ContentType=content_type, **only_new)

    def _read(self, bucket: str, key: str, max_bytes: int) -> bytes:
        body, _ = self._open(bucket, key, max_bytes)
        with body:
            return body.read()

    def _open(self, bucket: str, key: str, max_bytes: int) -> tuple["StreamingBody", int]:
        answer = self._client.get_object(Bucket=bucket, Key=key)
        if answer["ContentLength"] > max_bytes:
            answer["Body"].close()
            raise ObjectTooLarge(answer["ContentLength"], max_bytes)
        return answer["Body"], answer["ContentLength"]

    def _page(self, bucket: str, prefix: str, token: str | None) -> "ListObjectsV2OutputTypeDef":
        if token is None:
            return self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE)
        return self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, ContinuationToken=token)


def make_client(  # noqa: PLR0913 - one argument a setting
    *,
    endpoint_url: str | None,
    region: str,
    path_style: bool,
    access_key_id: str | None,
    secret_access_key: str | None,
    connections: int = 10,
) -> "S3Client":
    """Make a boto3 client with short time-outs and few retries: callers wait for an answer, not for a miracle."""
    # boto3 costs 30 MB and 0.2 s: only a process that uses S3 pays for it.
    import boto3  # noqa: PLC0415 - half a second that files do not need
    from botocore.config import Config  # noqa: PLC0415 - likewise

    options: dict[str, Any] = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path" if path_style else "virtual"},
        "connect_timeout": 3,
        "read_timeout": 15,
        "retries": {"mode": "standard", "total_max_attempts": 3},
        "max_pool_connections": connections,
    }
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(**options),
    )


async def _in_thread(action: Callable[[], Result]) -> Result:
    """Run a blocking call off the event loop, and say what its error means for the caller."""
    return await asyncio.to_thread(_explained, action)


def _explained(action: Callable[[], Result]) -> Result:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415 - as boto3 above

    try:
        return action()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _MISSING:
            raise ObjectNotFound("there is no such object") from None
        if code in _EXISTING:
            raise ObjectExists("there is such an object already") from None
        raise StorageUnavailable(f"the S3 server refused: {code or 'no reason given'}") from error
    except (BotoCoreError, HTTPClientError, OSError) as error:
        raise StorageUnavailable(f"the S3 server cannot be reached: {type(error).__name__}") from error
