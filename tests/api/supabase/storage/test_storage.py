"""`/storage/v1` as clients of the storage server meet it: over a folder, and over a real S3 server."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from loppestars_api.app import create_app
from loppestars_api.settings import ApiSettings
from loppestars_core.storage import Storage, open_storage
from tests.api.conftest import SECRET
from tests.api.files.test_endpoints import PHOTO as PUBLISHED
from tests.api.files.test_endpoints import publish
from tests.factories.s3_server import running_s3_server

KEY = "sb_publishable_of_tests"
ME, OTHER = "user-me", "user-other"
JPEG, PNG = b"\xff\xd8\xff\xe0" + bytes(2000), b"\x89PNG\r\n\x1a\n" + bytes(2000)
WEBP = b"RIFF\x00\x00\x00\x00WEBP" + bytes(2000)
MINE = f"stall-photos/{ME}/1700000000000.jpg"
LIMIT = 300_000


class Client:
    """A client library in a few lines."""

    def __init__(self, http: httpx.AsyncClient, sign: Any, storage: Storage) -> None:
        self.http = http
        self.sign = sign
        self.storage = storage

    async def ask(self, method: str, path: str, who: str = ME, **more: Any) -> httpx.Response:
        """Send a request as a user, as `anon`, or as nobody at all."""
        headers = {} if who == "nobody" else {"apikey": KEY, "Authorization": f"Bearer {KEY}"}
        if who not in {"nobody", "anon"}:
            headers |= self.sign(who)
        return await self.http.request(method, f"/storage/v1/{path}", headers=headers | more.pop("headers", {}), **more)

    async def upload(self, path: str = MINE, data: Any = JPEG, who: str = ME, **headers: str) -> httpx.Response:
        given = {"content-type": "image/jpeg", "cache-control": "max-age=3600", "x-upsert": "false"}
        return await self.ask("POST", f"object/{path}", who, content=data, headers=given | headers)

    async def keys(self) -> list[str]:
        return sorted([info.key async for info in self.storage.list("stall-photos")])


@pytest.fixture
async def client(api_settings: ApiSettings, sign: Any) -> AsyncIterator[Client]:
    """A client of a running API."""
    async with running(api_settings, sign) as client:
        yield client


@asynccontextmanager
async def running(settings: ApiSettings, sign: Any) -> AsyncIterator[Client]:
    """A client of the API with these settings."""
    settings = settings.model_copy(update={"anon_keys": (SecretStr(KEY),), "max_photo_bytes": LIMIT})
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
            yield Client(http, sign, open_storage(settings))


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    """What an error says: the status of HTTP, the one that is meant, and the code."""
    body = answer.json()
    assert set(body) == {"statusCode", "error", "message", "code"}
    return answer.status_code, body["statusCode"], body["code"]


class TestUpload:
    async def test_raw(self, client: Client) -> None:
        """The whole body; where it lies and an id are answered, and its owner reads it back whole."""
        for data in (JPEG, PNG, WEBP):
            answer = await client.upload(data=data)
            assert (answer.status_code, answer.json()["Key"]) == (200, MINE)
            assert answer.json()["Id"]
            for path in (f"object/{MINE}", f"object/authenticated/{MINE}"):
                assert (await client.ask("GET", path)).content == data
            assert (await client.ask("DELETE", f"object/{MINE}")).status_code == 200

    async def test_form(self, client: Client) -> None:
        """A form as the client library makes it: the file under an empty name, with a field next to it."""
        files: Any = [("cacheControl", (None, "3600")), ("", ("blob", PNG, "text/html"))]
        answer = await client.ask("POST", f"object/{MINE}", files=files)
        assert answer.status_code == 200
        read = await client.ask("GET", f"object/{MINE}")
        assert (read.content, read.headers["content-type"]) == (PNG, "image/png")

    async def test_twice(self, client: Client) -> None:
        """A name is taken once; what lies there is not touched."""
        await client.upload()
        again = await client.upload(data=PNG)
        assert refused(again) == (400, "409", "KeyAlreadyExists")
        assert again.json()["error"] == "Duplicate"
        assert (await client.ask("GET", f"object/{MINE}")).content == JPEG

    async def test_at_once(self, client: Client) -> None:
        """Of several at the same moment one is taken."""
        answers = await asyncio.gather(*(client.upload(data=JPEG + bytes([n])) for n in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 5]

    async def test_replaced(self, client: Client) -> None:
        """Where the client says so, and by PUT, which needs something to replace."""
        assert refused(await client.ask("PUT", f"object/{MINE}", content=PNG)) == (400, "404", "NoSuchKey")
        await client.upload()
        assert (await client.upload(data=PNG, **{"x-upsert": "true"})).status_code == 200
        assert (await client.ask("GET", f"object/{MINE}")).content == PNG
        assert (await client.ask("PUT", f"object/{MINE}", content=WEBP)).status_code == 200
        assert (await client.ask("GET", f"object/{MINE}")).content == WEBP

    async def test_not_a_photo(self, client: Client) -> None:
        """Whatever its header says; nothing of it is stored."""
        for data, code, meant in (
            (b"GIF89a" + bytes(50), "InvalidMimeType", "415"),
            (b"<svg/>", "InvalidMimeType", "415"),
            (b"\x00\x00\x00 ftypheic" + bytes(50), "InvalidMimeType", "415"),
            (b"RIFF\x00\x00\x00\x00WAVE", "InvalidMimeType", "415"),
            (b"", "InvalidRequest", "400"),
            (JPEG + bytes(LIMIT), "EntityTooLarge", "413"),
        ):
            form: Any = {"": ("a", data, "image/jpeg")}
            assert refused(await client.upload(data=data)) == (400, meant, code)
            assert refused(await client.ask("POST", f"object/{MINE}", files=form)) == (400, meant, code)
        assert await client.keys() == []

    def test_hung_up(self, start: Any, tmp_path: Path, sign: Any) -> None:
        """A client that leaves in the middle of a file leaves nothing, however it sends it."""
        api = start(ANON_KEYS=KEY, JWT_SECRET=SECRET)
        token = sign(ME)["Authorization"]
        head = f"POST /storage/v1/object/{MINE} HTTP/1.1\r\nHost: x\r\napikey: {KEY}\r\nAuthorization: {token}\r\n"
        form = b'--b\r\nContent-Disposition: form-data; name=""; filename="a"\r\n\r\n' + JPEG
        for more, data in (("image/jpeg", JPEG), ("multipart/form-data; boundary=b", form)):
            with socket.create_connection(("127.0.0.1", api.port)) as connection:
                connection.sendall(f"{head}Content-Type: {more}\r\nContent-Length: 90000\r\n\r\n".encode() + data)
        deadline = time.monotonic() + 20
        while len([line for line in api.log() if line.get("status") == 499]) < 2:
            assert time.monotonic() < deadline, api.log()
            time.sleep(0.05)
        assert [path for path in (tmp_path / "storage").rglob("*") if path.is_file()] == []

    async def test_own_folder_only(self, client: Client) -> None:
        """Neither others nor anonymous callers write there; nor does anyone at the top or to the public bucket."""
        for who in (OTHER, "anon"):
            assert refused(await client.upload(who=who)) == (400, "403", "AccessDenied")
        for path in (f"stall-photos/{ME}", "stall-photos/1.jpg", f"stall-photos-processed/{ME}/1.jpg"):
            assert refused(await client.upload(path)) == (400, "403", "AccessDenied")
        assert refused(await client.upload(f"elsewhere/{ME}/1.jpg")) == (400, "404", "NoSuchBucket")
        assert await client.keys() == []

    async def test_path_tricks(self, client: Client) -> None:
        """No key climbs, hides a separator or is endless, whatever is done with it."""
        keys = (
            f"{ME}/%2e%2e/{OTHER}/1.jpg",
            f"{ME}%2f1.jpg",
            f"{ME}/..%2f{OTHER}/1.jpg",
            f"{ME}/a%5cb.jpg",
            f"{ME}/a%00.jpg",
            f"{ME}/a%1f.jpg",
            f"{ME}//1.jpg",
            f"{ME}/.hidden.jpg",
            f"{ME}/",
            f"{ME}/{'x' * 300}.jpg",
            f"{ME}/{'x/' * 600}1.jpg",
        )
        for key in keys:
            for verb, path in (
                ("POST", "object"),
                ("PUT", "object"),
                ("GET", "object"),
                ("GET", "object/info"),
                ("DELETE", "object"),
                ("POST", "object/sign"),
                ("POST", "object/upload/sign"),
            ):
                url = httpx.URL("http://api.test").copy_with(raw_path=f"/storage/v1/{path}/stall-photos/{key}".encode())
                request = client.http.build_request(verb, url, headers={"apikey": KEY, **client.sign(ME)}, content=JPEG)
                assert refused(await client.http.send(request))[::2] == (400, "InvalidKey"), (verb, path, key)
        assert await client.keys() == []


class TestRead:
    async def test_owner_only(self, client: Client) -> None:
        """For others an original does not exist; whoever has no key or a wrong token is refused as such."""
        await client.upload()
        for method, path in (("GET", f"object/{MINE}"), ("GET", f"object/info/{MINE}"), ("HEAD", f"object/{MINE}")):
            for who in (OTHER, "anon"):
                answer = await client.ask(method, path, who)
                assert answer.status_code == 400
                assert method == "HEAD" or answer.json()["code"] == "NoSuchKey"
            assert (await client.ask(method, path, "nobody")).status_code == 401
        old = await client.http.get(f"/storage/v1/object/{MINE}", headers=client.sign(ME, exp=1_000_000_000))
        assert refused(old) == (401, "401", "InvalidJWT")
        assert (await client.http.get(f"/storage/v1/object/public/{MINE}")).status_code == 404

    async def test_token_alone(self, client: Client) -> None:
        """A picture in the app sends the bearer and nothing else."""
        await client.upload()
        assert (await client.http.get(f"/storage/v1/object/{MINE}", headers=client.sign(ME))).content == JPEG
        wrong = await client.http.get(f"/storage/v1/object/{MINE}", headers={"apikey": "x", **client.sign(ME)})
        assert wrong.status_code == 401

    async def test_head(self, client: Client) -> None:
        """What a GET says, without the bytes; a client that has them already is told so."""
        await client.upload()
        head = await client.ask("HEAD", f"object/{MINE}")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(JPEG)))
        assert (head.headers["content-type"], head.headers["cache-control"]) == ("image/jpeg", "private, no-store")
        again = await client.ask("GET", f"object/{MINE}", headers={"If-None-Match": head.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    async def test_info(self, client: Client) -> None:
        """Name, size, type by content, tag and times."""
        await client.upload(data=PNG)
        found = (await client.ask("GET", f"object/info/{MINE}")).json()
        assert (found["name"], found["bucket_id"]) == (MINE.partition("/")[2], "stall-photos")
        assert (found["size"], found["content_type"]) == (len(PNG), "image/png")
        assert {"id", "version", "etag", "last_modified", "created_at", "metadata", "cache_control"} <= set(found)

    async def test_processed(self, client: Client, session: AsyncSession) -> None:
        """A published photo is for everybody, under each address; one that was withdrawn for nobody."""
        await publish(session, client.storage)
        public = "stall-photos-processed/u/x.jpg"
        for path in (f"object/public/{public}", f"object/info/public/{public}"):
            assert (await client.http.get(f"/storage/v1/{path}")).status_code == 200
        for who in ("anon", OTHER):
            assert (await client.ask("GET", f"object/authenticated/{public}", who)).content == PUBLISHED
        await client.storage.put("stall-photos-processed", "u/y.jpg", PUBLISHED, "image/jpeg")
        unknown = await client.ask("GET", "object/stall-photos-processed/u/y.jpg")
        assert refused(unknown) == (400, "404", "NoSuchKey")

    async def test_download(self, client: Client) -> None:
        """A name for the file, whatever is in it."""
        await client.upload()
        answer = await client.ask("GET", f"object/{MINE}", params={"download": 'a"\r\nø.jpg'})
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%22%0D%0A%C3%B8.jpg"


class TestLinks:
    async def test_signed(self, client: Client) -> None:
        """A link reads one object, without any key, until it expires."""
        await client.upload()
        link = (await client.ask("POST", f"object/sign/{MINE}", json={"expiresIn": 60})).json()["signedURL"]
        assert link.startswith(f"/object/sign/{MINE}?token=")
        fetched = await client.http.get(f"/storage/v1{link}")
        assert (fetched.content, fetched.headers["cache-control"]) == (JPEG, "private, no-store")
        for changed in (link.replace("1700000000000", "1700000000001"), link + "x", link.partition("=")[0] + "="):
            assert refused(await client.http.get(f"/storage/v1{changed}")) == (400, "400", "InvalidSignature")

    async def test_a_token_is_not_a_link(self, client: Client) -> None:
        """Nor is a link a token, or one for reading one for writing."""
        await client.upload()
        link = (await client.ask("POST", f"object/sign/{MINE}", json={"expiresIn": 60})).json()["signedURL"]
        token = link.partition("token=")[2]
        mine = client.sign(ME)["Authorization"].partition(" ")[2]
        assert refused(await client.http.get(f"/storage/v1/object/sign/{MINE}?token={mine}"))[2] == "InvalidSignature"
        put = await client.http.put(f"/storage/v1/object/upload/sign/{MINE}?token={token}", content=PNG)
        assert refused(put)[2] == "InvalidSignature"
        read = await client.http.get(f"/storage/v1/object/{MINE}", headers={"Authorization": f"Bearer {token}"})
        assert read.status_code == 401

    async def test_expiry(self, client: Client) -> None:
        """However long is asked for, a day is the most."""
        await client.upload()
        link = (await client.ask("POST", f"object/sign/{MINE}", json={"expiresIn": 2**31})).json()["signedURL"]
        claims = jwt.decode(link.partition("token=")[2], options={"verify_signature": False})
        assert claims["exp"] - time.time() <= 24 * 3600
        for body in ({"expiresIn": 0}, {"expiresIn": "x"}, {}, []):
            assert refused(await client.ask("POST", f"object/sign/{MINE}", json=body))[1] == "400"

    async def test_others(self, client: Client) -> None:
        """Nobody signs what they cannot read; in a list each says so by itself."""
        await client.upload()
        for who in (OTHER, "anon"):
            answer = await client.ask("POST", f"object/sign/{MINE}", who, json={"expiresIn": 60})
            assert refused(answer) == (400, "404", "NoSuchKey")
        paths = [MINE.partition("/")[2], f"{ME}/2.jpg", f"{OTHER}/1.jpg", "../x"]
        many = await client.ask("POST", "object/sign/stall-photos", json={"expiresIn": 60, "paths": paths})
        assert [bool(item["signedURL"]) for item in many.json()] == [True, False, False, False]
        assert [item["path"] for item in many.json()] == paths

    async def test_upload_link(self, client: Client) -> None:
        """One file in one place, once."""
        assert refused(await client.ask("POST", f"object/upload/sign/{MINE}", OTHER))[1] == "403"
        link = (await client.ask("POST", f"object/upload/sign/{MINE}")).json()
        path = f"/storage/v1{link['url']}"
        assert refused(await client.http.put(path.replace(ME, OTHER), content=JPEG))[2] == "InvalidSignature"
        assert (await client.http.put(path, content=JPEG)).json()["Key"] == MINE
        assert refused(await client.http.put(path, content=JPEG)) == (400, "409", "KeyAlreadyExists")


class TestLists:
    async def filled(self, client: Client) -> None:
        for name in ("1.jpg", "2.jpg", "a/3.jpg", "a/4.png", "B.jpg"):
            assert (await client.upload(f"stall-photos/{ME}/{name}")).status_code == 200
        assert (await client.upload(f"stall-photos/{OTHER}/9.jpg", who=OTHER)).status_code == 200

    async def names(self, client: Client, who: str = ME, **body: Any) -> list[str]:
        answer = await client.ask("POST", "object/list/stall-photos", who, json={"prefix": ME, **body})
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()]

    async def test_level(self, client: Client) -> None:
        """Files and folders of one level, sorted, page by page; of others nothing at all."""
        await self.filled(client)
        assert await self.names(client) == ["1.jpg", "2.jpg", "B.jpg", "a"]
        assert await self.names(client, prefix=f"{ME}/a") == ["3.jpg", "4.png"]
        assert await self.names(client, prefix="") == [ME]
        assert await self.names(client, sortBy={"column": "name", "order": "desc"}, limit=2) == ["a", "B.jpg"]
        assert await self.names(client, limit=2, offset=1) == ["2.jpg", "B.jpg"]
        assert await self.names(client, search="b") == ["B.jpg"]
        for who in (OTHER, "anon"):
            assert await self.names(client, who) == []
        for prefix in (OTHER, f"{ME}/../{OTHER}", f"{ME}/..", "..", f"{ME[:-1]}"):
            assert await self.names(client, prefix=prefix) == []

    async def test_entries(self, client: Client) -> None:
        """A file has an id, times and what is known of it; a folder has none of these."""
        await self.filled(client)
        listed = (await client.ask("POST", "object/list/stall-photos", json={"prefix": ME})).json()
        file, folder = listed[0], listed[-1]
        assert (file["metadata"]["size"], file["metadata"]["mimetype"]) == (len(JPEG), "image/jpeg")
        assert file["id"]
        assert folder == {"name": "a", **dict.fromkeys(set(file) - {"name"})}

    async def test_pages(self, client: Client) -> None:
        """The second form: keys with a prefix, and a cursor for the next page."""
        await self.filled(client)
        seen, cursor = [], None
        for _ in range(3):
            body = {"prefix": f"{ME}/", "limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await client.ask("POST", "object/list-v2/stall-photos", json=body)).json()
            seen += [item["name"] for item in page["objects"]]
            cursor = page.get("nextCursor")
        assert (seen, page["hasNext"]) == (
            [f"{ME}/{name}" for name in ("1.jpg", "2.jpg", "B.jpg", "a/3.jpg", "a/4.png")],
            False,
        )
        body = {"prefix": f"{ME}/", "with_delimiter": True}
        page = (await client.ask("POST", "object/list-v2/stall-photos", json=body)).json()
        assert [item["name"] for item in page["folders"]] == [f"{ME}/a/"]


class TestChanges:
    async def test_delete(self, client: Client) -> None:
        """One, or several: those that are one's own and exist go and are named, others stay."""
        await client.upload()
        await client.upload(f"stall-photos/{ME}/2.jpg")
        await client.upload(f"stall-photos/{OTHER}/1.jpg", who=OTHER)
        keys = [f"{OTHER}/1.jpg", f"{ME}/2.jpg", f"{ME}/none.jpg", "../x", f"{ME}/../{OTHER}/1.jpg"]
        answer = await client.ask("DELETE", "object/stall-photos", json={"prefixes": keys})
        assert [item["name"] for item in answer.json()] == [f"{ME}/2.jpg"]
        for who in (OTHER, "anon"):
            assert refused(await client.ask("DELETE", f"object/{MINE}", who)) == (400, "404", "NoSuchKey")
        assert (await client.ask("DELETE", f"object/{MINE}")).json() == {"message": "Successfully deleted"}
        assert await client.keys() == [f"{OTHER}/1.jpg"]

    async def test_a_body_without_end(self, client: Client) -> None:
        """A DELETE has a body too, and it is bounded."""
        answer = await client.ask("DELETE", "object/stall-photos", content=b"x" * 1_000_000)
        assert answer.status_code == 413
        assert answer.json()["code"] == "EntityTooLarge"

    async def test_move_and_copy(self, client: Client) -> None:
        """Within one's own folder."""
        await client.upload()
        places = {"bucketId": "stall-photos", "sourceKey": MINE.partition("/")[2]}
        copied = await client.ask("POST", "object/copy", json={**places, "destinationKey": f"{ME}/2.jpg"})
        assert copied.json()["Key"] == f"stall-photos/{ME}/2.jpg"
        moved = await client.ask("POST", "object/move", json={**places, "destinationKey": f"{ME}/3.jpg"})
        assert moved.status_code == 200
        assert await client.keys() == [f"{ME}/2.jpg", f"{ME}/3.jpg"]
        here = {**places, "sourceKey": f"{ME}/2.jpg"}
        for changed, meant in (
            ({"destinationKey": f"{OTHER}/1.jpg"}, "403"),
            ({"destinationKey": f"{ME}/3.jpg"}, "409"),
            ({"destinationKey": f"{ME}/../x.jpg"}, "400"),
            ({"destinationKey": f"{ME}/4.jpg", "sourceKey": f"{ME}/none.jpg"}, "404"),
            ({"destinationKey": f"{ME}/4.jpg", "bucketId": "stall-photos-processed"}, "403"),
            ({"destinationKey": f"{ME}/4.jpg", "destinationBucket": "stall-photos-processed"}, "409"),
        ):
            assert refused(await client.ask("POST", "object/move", json={**here, **changed}))[1] == meant
        stolen = {"bucketId": "stall-photos", "sourceKey": f"{ME}/2.jpg", "destinationKey": f"{OTHER}/1.jpg"}
        assert refused(await client.ask("POST", "object/copy", OTHER, json=stolen))[1] == "404"


class TestRest:
    async def test_what_is_not_offered(self, client: Client) -> None:
        """An error in the form that clients read."""
        for method, path in (
            ("POST", "upload/resumable"),
            ("GET", "render/image/public/stall-photos-processed/u/x.jpg"),
        ):
            assert (await client.ask(method, path)).json()["statusCode"] == "404"
        assert (await client.ask("GET", "bucket")).json() == []
        assert (await client.ask("POST", "object/list/nowhere", json={"prefix": ""})).json()["code"] == "NoSuchBucket"
        assert refused(await client.ask("POST", "object/list/stall-photos", content=b"{"))[1] == "400"


class TestS3:
    async def test_a_real_server(self, api_settings: ApiSettings, sign: Any, tmp_path: Path) -> None:
        """The same on an S3 server: whole or not at all, one of several at once, lists, links, deletes."""
        with running_s3_server(tmp_path / "s3") as server:
            settings = api_settings.model_copy(
                update={
                    "storage_dir": None,
                    "s3_endpoint_url": server.endpoint_url,
                    "s3_access_key_id": SecretStr(server.access_key_id),
                    "s3_secret_access_key": SecretStr(server.secret_access_key),
                    "s3_region": server.region,
                }
            )
            storage: Any = open_storage(settings)
            await asyncio.to_thread(storage._client.create_bucket, Bucket="stall-photos")
            async with running(settings, sign) as client:
                answers = await asyncio.gather(*(client.upload(data=JPEG + bytes([n])) for n in range(6)))
                assert sorted(answer.status_code for answer in answers) == [200, *[400] * 5]
                assert (await client.upload(data=PNG, **{"x-upsert": "true"})).status_code == 200
                assert (await client.ask("GET", f"object/{MINE}")).content == PNG
                assert (await client.ask("GET", f"object/{MINE}", OTHER)).status_code == 400
                large = JPEG + bytes(LIMIT - len(JPEG))
                assert (await client.upload(f"stall-photos/{ME}/2.jpg", large)).status_code == 200
                listed = await client.ask("POST", "object/list/stall-photos", json={"prefix": ME})
                assert [item["name"] for item in listed.json()] == ["1700000000000.jpg", "2.jpg"]
                link = (await client.ask("POST", f"object/sign/{MINE}", json={"expiresIn": 60})).json()["signedURL"]
                assert (await client.http.get(f"/storage/v1{link}")).content == PNG
                gone = await client.ask("DELETE", "object/stall-photos", json={"prefixes": [f"{ME}/2.jpg"]})
                assert [item["name"] for item in gone.json()] == [f"{ME}/2.jpg"]
                assert await client.keys() == [MINE.partition("/")[2]]
