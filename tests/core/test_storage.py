"""The storage contract, held by both implementations: a folder, and a real S3 server."""

import asyncio
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from loppestars_core.kit.settings import StorageSettings
from loppestars_core.storage import (
    InvalidKey,
    ObjectExists,
    ObjectNotFound,
    ObjectTooLarge,
    Storage,
    StorageUnavailable,
    open_storage,
)
from loppestars_core.storage.files import FileStorage
from loppestars_core.storage.interface import CHUNK_BYTES
from loppestars_core.storage.links import SIGNED_PATH, verify_link
from loppestars_core.storage.s3 import S3Storage, make_client
from tests.factories.s3_server import S3Server, running_s3_server

BUCKET = "stall-photos"
SECRET = b"signing secret of a test"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server for the session, where it can be built."""
    with running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Empty storage with one bucket, of each kind."""
    if request.param == "folder":
        return FileStorage(tmp_path, "http://127.0.0.1:8080", SECRET)
    server: S3Server = request.getfixturevalue("s3_server")
    client = make_client(
        endpoint_url=server.endpoint_url,
        region=server.region,
        path_style=True,
        access_key_id=server.access_key_id,
        secret_access_key=server.secret_access_key,
    )
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    return S3Storage(lambda: client, "http://127.0.0.1:8080")


class TestContract:
    async def test_put_get_stat_delete(self, storage: Storage) -> None:
        """What is put is read back whole; replaced when put again; gone when deleted, which may be repeated."""
        await storage.put(BUCKET, "u1/1.jpg", b"first", "image/jpeg")
        await storage.put(BUCKET, "u1/1.jpg", b"second one", "image/jpeg")
        assert await storage.get(BUCKET, "u1/1.jpg", 100) == b"second one"
        info = await storage.stat(BUCKET, "u1/1.jpg")
        assert (info.key, info.size) == ("u1/1.jpg", 10)
        assert abs(datetime.now(UTC) - info.modified_at) < timedelta(minutes=1)
        await storage.delete(BUCKET, "u1/1.jpg")
        await storage.delete(BUCKET, "u1/1.jpg")
        with pytest.raises(ObjectNotFound):
            await storage.get(BUCKET, "u1/1.jpg", 100)
        with pytest.raises(ObjectNotFound):
            await storage.stat(BUCKET, "u1/1.jpg")

    async def test_put_file(self, storage: Storage) -> None:
        """A file is taken from its start; one that may not replace leaves what is there, also at the same moment."""
        for replace in (False, True):
            file = io.BytesIO(b"x" * 100_000)
            file.seek(10)
            await storage.put_file(BUCKET, "u1/f.jpg", file, "image/jpeg", replace=replace)
            assert (await storage.stat(BUCKET, "u1/f.jpg")).size == 100_000
        with pytest.raises(ObjectExists):
            await storage.put_file(BUCKET, "u1/f.jpg", io.BytesIO(b"other"), "image/jpeg", replace=False)
        assert (await storage.stat(BUCKET, "u1/f.jpg")).size == 100_000
        several = (
            storage.put_file(BUCKET, "u1/g.jpg", io.BytesIO(bytes([n]) * 9), "image/jpeg", replace=False)
            for n in range(5)
        )
        ends = await asyncio.gather(*several, return_exceptions=True)
        assert sorted(type(end).__name__ for end in ends) == ["NoneType", *["ObjectExists"] * 4]

    async def test_limit(self, storage: Storage) -> None:
        """An object of exactly the limit is read; one byte more is refused with both numbers."""
        await storage.put(BUCKET, "a.jpg", b"12345", "image/jpeg")
        assert await storage.get(BUCKET, "a.jpg", 5) == b"12345"
        with pytest.raises(ObjectTooLarge, match="5 bytes, at most 4"):
            await storage.get(BUCKET, "a.jpg", 4)

    async def test_open(self, storage: Storage) -> None:
        """Read in chunks that add up to the object, with its size ahead; the limits of `get`; closed twice is fine."""
        data = bytes(range(256)) * 3000
        await storage.put(BUCKET, "a.jpg", data, "image/jpeg")
        stream = await storage.open(BUCKET, "a.jpg", len(data))
        assert stream.size == len(data)
        chunks = []
        while chunk := await stream.read():
            assert len(chunk) <= CHUNK_BYTES
            chunks.append(chunk)
        assert len(chunks) > 2
        assert b"".join(chunks) == data
        await stream.close()
        await stream.close()
        with pytest.raises(ObjectTooLarge):
            await storage.open(BUCKET, "a.jpg", len(data) - 1)
        with pytest.raises(ObjectNotFound):
            await storage.open(BUCKET, "b.jpg", 10)
        half_read = await storage.open(BUCKET, "a.jpg", len(data))
        await half_read.read()
        await half_read.close()

    async def test_list_by_prefix(self, storage: Storage) -> None:
        """Only keys that start with the prefix, whole keys, in any depth."""
        for key in ("u1/1.jpg", "u1/deep/2.jpg", "u10/3.jpg", "u2/4.jpg"):
            await storage.put(BUCKET, key, b"x", "image/jpeg")
        assert {info.key async for info in storage.list(BUCKET, "u1/")} == {"u1/1.jpg", "u1/deep/2.jpg"}
        assert {info.key async for info in storage.list(BUCKET, "u1")} == {"u1/1.jpg", "u1/deep/2.jpg", "u10/3.jpg"}
        assert len([info async for info in storage.list(BUCKET)]) == 4
        assert [info async for info in storage.list(BUCKET, "none/")] == []

    @pytest.mark.parametrize(
        "key",
        [
            *("", "/etc/passwd", "../x", "a/../../b", "a//b", "a/", ".hidden", "a\x00b", "a\\b", "x" * 1000, "a/./b"),
            *("a/b.jpg\n", "a\n/b.jpg", "蚤" * 100),
        ],
    )
    async def test_impossible_keys(self, storage: Storage, key: str, tmp_path: Path) -> None:
        """No key leads out of its bucket or to a file of our own making."""
        for action in (
            storage.get(BUCKET, key, 10),
            storage.put(BUCKET, key, b"x", "image/jpeg"),
            storage.stat(BUCKET, key),
            storage.delete(BUCKET, key),
        ):
            with pytest.raises(InvalidKey):
                await action
        with pytest.raises(InvalidKey):
            storage.public_url(BUCKET, key)

    async def test_check(self, storage: Storage) -> None:
        """A usable bucket passes."""
        await storage.check(BUCKET)

    async def test_public_url_is_the_apis(self, storage: Storage) -> None:
        """The stable link stays the same wherever the bytes are."""
        url = storage.public_url("stall-photos-processed", "u1/æ 1.jpg")
        assert url == "http://127.0.0.1:8080/storage/v1/object/public/stall-photos-processed/u1/%C3%A6%201.jpg"


class TestFolder:
    async def test_signed_links_expire_and_cannot_be_changed(self, tmp_path: Path) -> None:
        """The link verifies for its own object until its time, and for nothing else."""
        storage = FileStorage(tmp_path, "http://127.0.0.1:8080", SECRET)
        parts = urlsplit(await storage.signed_url(BUCKET, "u1/ø.jpg", timedelta(minutes=1)))
        key = unquote(parts.path.removeprefix(f"{SIGNED_PATH}/{BUCKET}/"))
        query = parse_qs(parts.query)
        expires, signature = int(query["expires"][0]), query["signature"][0]
        assert key == "u1/ø.jpg"
        assert verify_link(BUCKET, key, expires, signature, SECRET)
        assert not verify_link(BUCKET, "u2/1.jpg", expires, signature, SECRET)
        assert not verify_link(BUCKET, key, expires + 60, signature, SECRET)
        assert not verify_link(BUCKET, key, expires, "é", SECRET)
        past = parse_qs(urlsplit(await storage.signed_url(BUCKET, key, timedelta(seconds=-1))).query)
        assert not verify_link(BUCKET, key, int(past["expires"][0]), past["signature"][0], SECRET)

    async def test_a_failed_write_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A full disk is reported as unavailable, the old object stays whole, no half file is listed."""
        storage = FileStorage(tmp_path, "http://127.0.0.1:8080", SECRET)
        await storage.put(BUCKET, "a.jpg", b"old", "image/jpeg")

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageUnavailable, match="No space left"):
            await storage.put(BUCKET, "a.jpg", b"new", "image/jpeg")
        monkeypatch.undo()
        assert await storage.get(BUCKET, "a.jpg", 10) == b"old"
        assert [path.name for path in (tmp_path / BUCKET).iterdir()] == ["a.jpg"]

    async def test_no_empty_folders_stay(self, tmp_path: Path) -> None:
        """The last file of a folder takes it along, never the bucket; writers next to it lose nothing."""
        storage = FileStorage(tmp_path, "http://127.0.0.1:8080", SECRET)
        await storage.put(BUCKET, "u1/a/1.jpg", b"1", "image/jpeg")
        await storage.put(BUCKET, "u1/2.jpg", b"2", "image/jpeg")
        await storage.delete(BUCKET, "u1/a/1.jpg")
        assert [path.name for path in (tmp_path / BUCKET / "u1").iterdir()] == ["2.jpg"]
        await storage.delete(BUCKET, "u1/2.jpg")
        assert list((tmp_path / BUCKET).iterdir()) == []

        async def come_and_go(number: int) -> None:
            for _ in range(20):
                await storage.put(BUCKET, f"u2/{number}.jpg", b"x", "image/jpeg")
                await storage.delete(BUCKET, f"u2/{number}.jpg")

        await asyncio.gather(*(come_and_go(number) for number in range(4)))
        assert list((tmp_path / BUCKET).iterdir()) == []

    async def test_a_bucket_that_is_no_folder(self, tmp_path: Path) -> None:
        """Nothing is known of its objects: it is unavailable, they are not missing."""
        (tmp_path / BUCKET).write_text("a file where the folder should be")
        storage = FileStorage(tmp_path, "http://127.0.0.1:8080", SECRET)
        with pytest.raises(StorageUnavailable):
            await storage.get(BUCKET, "a.jpg", 10)
        with pytest.raises(StorageUnavailable):
            await storage.stat(BUCKET, "a.jpg")


class TestS3:
    async def test_signed_link_reads_the_object(self, s3_server: S3Server) -> None:
        """A presigned link works with a plain HTTP client, and not once its signature is changed."""
        settings = StorageSettings(
            s3_endpoint_url=s3_server.endpoint_url,  # type: ignore[arg-type]
            s3_region=s3_server.region,
            s3_path_style=True,
            s3_access_key_id=SecretStr(s3_server.access_key_id),
            s3_secret_access_key=SecretStr(s3_server.secret_access_key),
        )
        storage = open_storage(settings)
        assert isinstance(storage, S3Storage)
        storage._client.create_bucket(Bucket="signed")
        await storage.put("signed", "a b.jpg", b"bytes", "image/jpeg")
        url = await storage.signed_url("signed", "a b.jpg", timedelta(minutes=1))
        changed = url[:-1] + ("0" if url[-1] != "0" else "1")
        async with httpx.AsyncClient() as client:
            answer = await client.get(url)
            assert (answer.status_code, answer.content) == (200, b"bytes")
            assert (await client.get(changed)).status_code == 403

    async def test_server_down_and_bucket_missing(self, s3_server: S3Server) -> None:
        """Both are unavailable, with a sentence that says which."""
        down = S3Storage(
            lambda: make_client(
                endpoint_url="http://127.0.0.1:1",
                region="x",
                path_style=True,
                access_key_id="a",
                secret_access_key="b",
            ),
            "http://127.0.0.1:8080",
        )
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            await down.get(BUCKET, "a.jpg", 1)
        client = make_client(
            endpoint_url=s3_server.endpoint_url,
            region=s3_server.region,
            path_style=True,
            access_key_id=s3_server.access_key_id,
            secret_access_key=s3_server.secret_access_key,
        )
        with pytest.raises(StorageUnavailable, match="does not exist"):
            await S3Storage(lambda: client, "http://127.0.0.1:8080").check("no-such-bucket")


class TestSettings:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"originals_bucket": "same", "processed_bucket": "same"}, "must differ"),
            ({"s3_access_key_id": "x"}, "go together"),
            ({"storage_dir": "/x", "s3_endpoint_url": "http://127.0.0.1:1"}, "not both"),
        ],
    )
    def test_contradictions_are_refused(self, values: dict[str, str], message: str) -> None:
        """Each says which variables contradict."""
        with pytest.raises(ValidationError, match=message):
            StorageSettings(**values)  # type: ignore[arg-type]
