"""The S3 server of the tests is a real one."""

import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.factories.s3_server import running_s3_server


class TestS3Server:
    """The S3 server of the tests is a real one."""

    def test_stores_lists_and_presigns(self, tmp_path: Path) -> None:
        """What is put is read back through the API and through a signed URL; a wrong secret is refused."""
        with running_s3_server(tmp_path / "s3") as server:
            config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
            keys = {"aws_access_key_id": server.access_key_id, "aws_secret_access_key": server.secret_access_key}
            address = {"endpoint_url": server.endpoint_url, "region_name": server.region}
            client = boto3.client("s3", config=config, **address, **keys)
            client.create_bucket(Bucket="photos")
            client.put_object(Bucket="photos", Key="a/b.jpg", Body=b"bytes", ContentType="image/jpeg")
            stored = client.get_object(Bucket="photos", Key="a/b.jpg")
            assert stored["Body"].read() == b"bytes"
            assert stored["ContentType"] == "image/jpeg"
            assert [each["Key"] for each in client.list_objects_v2(Bucket="photos")["Contents"]] == ["a/b.jpg"]
            url = client.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "a/b.jpg"})
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.read() == b"bytes"
            wrong = boto3.client("s3", config=config, **address, **{**keys, "aws_secret_access_key": "wrong"})
            with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
                wrong.list_objects_v2(Bucket="photos")
