"""Photos of the tests and the bucket that the app uploads to."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3
import pytest
from botocore.config import Config

from tests.e2e.support.stack import Stack
from tools.cluster import network
from tools.cluster.paths import REPOSITORY

PHOTOS = REPOSITORY.parent / "shared" / "images"


def face_photos() -> list[Path]:
    """JPEG files at ../shared/images; the test is left out where there are none."""
    photos = sorted(PHOTOS.glob("**/*.jp*g")) if PHOTOS.is_dir() else []
    if not photos:
        pytest.skip("no photos at ../shared/images")
    return photos


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
