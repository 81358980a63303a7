"""Photos of the tests and the bucket that the app uploads to."""

import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

import boto3
from botocore.config import Config

from tests.e2e.support.stack import Stack
from tools.cluster import network
from tools.cluster.paths import REPOSITORY

PATIENCE_SECONDS: Final = 120.0
PHOTOS = REPOSITORY.parent / "shared" / "images"


def face_photos() -> list[Path]:
    """JPEG files at ../shared/images, which are of a phone's size; where there are none, those of the imaging tests."""
    photos = sorted(PHOTOS.glob("**/*.jp*g")) if PHOTOS.is_dir() else []
    return photos or sorted((REPOSITORY / "tests" / "imaging" / "photos").glob("*.jpg"))


@dataclass(frozen=True)
class PhotoBucket:
    """The private bucket of a stack's development S3 server, reached by its node port."""

    s3: Any

    @classmethod
    def of(cls, stack: Stack) -> Self:
        port = stack.cluster.get("service", "s3")["spec"]["ports"][0]["nodePort"]
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=32)
        return cls(
            boto3.client(
                "s3",
                endpoint_url=f"http://{network.NODE_ADDRESS}:{port}",
                region_name="eu-central-1",
                aws_access_key_id="development",
                aws_secret_access_key="development-secret",
                config=config,
            )
        )

    def upload(self, user: str, photo: bytes, *, number: int = 0) -> str:
        """Put a photo where the app puts it, `<user>/<digits>.jpg`; returns that path."""
        path = f"{user}/{int(time.time() * 1000)}{number:04d}.jpg"
        self.s3.put_object(Bucket="stall-photos", Key=path, Body=photo, ContentType="image/jpeg")
        return path

    def processed(self) -> list[str]:
        """Keys of the public bucket."""
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket="stall-photos-processed").get("Contents", [])]


class PhotosInFlight:
    """Photos that are asked for side by side: begun on entering, each has its result on leaving.

    Passing trouble is what the app tries again after: 504 is the API's patience, 503 no worker for the moment.
    """

    def __init__(self, stack: Stack, user: str, count: int) -> None:
        bucket, photo = PhotoBucket.of(stack), face_photos()[0].read_bytes()
        self._stack, self._user = stack, user
        self.statuses: dict[str, int] = {}
        paths = [bucket.upload(user, photo, number=number) for number in range(count)]
        self._threads = [threading.Thread(target=self._ask, args=(path,)) for path in paths]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while kind is None and (late := self._late()) and time.monotonic() < deadline:
            time.sleep(1)
            for path in late:
                self._ask(path)

    def _late(self) -> list[str]:
        passing = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
        return [path for path, status in self.statuses.items() if status in passing]

    def _ask(self, path: str) -> None:
        self.statuses[path] = self._stack.process(path, self._user).status
