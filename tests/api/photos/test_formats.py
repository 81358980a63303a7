"""The table of formats in docs/api.md, row by row: the API, the queue and the real imaging worker as processes."""

import io
import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pillow_heif
import pytest
from PIL import Image, features

from tests.factories.running_api import RunningApi

WORKER = [str(Path(sys.executable).with_name("loppestars-imaging")), "work"]
SIZE = (320, 240)


@pytest.fixture
def api(start: Callable[..., RunningApi], database_url: str, tmp_path: Path) -> Iterator[RunningApi]:
    """The API with an imaging worker behind it."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "STORAGE_DIR": str(tmp_path / "storage"),
        "METRICS_HOST": "127.0.0.1",
        "METRICS_PORT": str(free_port()),
    }
    with (tmp_path / "imaging.log").open("wb") as log:
        worker = subprocess.Popen(WORKER, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            running = start(MAX_PHOTO_BYTES="20000000", RATE_LIMIT_PHOTOS_PER_MINUTE="0")
            if not is_ready(worker, int(environment["METRICS_PORT"])):
                pytest.skip(f"no imaging worker: {(tmp_path / 'imaging.log').read_text()[-300:]}")
            yield running
        finally:
            worker.terminate()
            worker.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def is_ready(worker: subprocess.Popen[bytes], metrics_port: int) -> bool:
    """Wait until the worker says so; False when it ends instead."""
    for _ in range(300):
        if worker.poll() is not None:
            return False
        try:
            if httpx.get(f"http://127.0.0.1:{metrics_port}/ready").status_code == 200:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    return False


def picture(mode: str = "RGB") -> Image.Image:
    """A gradient: no face anywhere, and nothing that compresses to nothing."""
    gradient = Image.linear_gradient("L").resize(SIZE)
    return Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180))).convert(mode)


def encoded(image_format: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture(mode).save(buffer, image_format, **options)
    return buffer.getvalue()


def heic() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(buffer, quality=80)
    return buffer.getvalue()


def png_bomb(side: int) -> bytes:
    """A few kilobytes that claim to be `side`² pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def frames() -> list[Image.Image]:
    return [picture().rotate(turn) for turn in (90, 180)]


def accepted() -> dict[str, tuple[bytes, str]]:
    """Photos that are processed, and the format that comes back."""
    photos = {
        "baseline jpeg": (encoded("JPEG"), "image/jpeg"),
        "progressive jpeg": (encoded("JPEG", progressive=True), "image/jpeg"),
        "grey jpeg": (encoded("JPEG", "L"), "image/jpeg"),
        "cmyk jpeg": (encoded("JPEG", "CMYK"), "image/jpeg"),
        "png": (encoded("PNG"), "image/png"),
        "palette png": (encoded("PNG", "P"), "image/png"),
        "webp": (encoded("WEBP"), "image/webp"),
        "heic": (heic(), "image/jpeg"),
    }
    if features.check("avif"):
        photos["avif"] = (encoded("AVIF"), "image/jpeg")
    return photos


def refused() -> dict[str, tuple[bytes, int]]:
    """What is not processed, and the status that says why."""
    whole = encoded("JPEG")
    return {
        "gif": (encoded("GIF", "P"), 415),
        "animated gif": (encoded("GIF", "P", save_all=True, append_images=frames()), 415),
        "animated webp": (encoded("WEBP", save_all=True, append_images=frames()), 415),
        "animated png": (encoded("PNG", save_all=True, append_images=frames()), 415),
        "tiff": (encoded("TIFF"), 415),
        "bmp": (encoded("BMP"), 415),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>', 415),
        "pdf": (b"%PDF-1.7\n1 0 obj\n", 415),
        "unknown": (b"nothing in particular", 415),
        "truncated jpeg": (whole[: len(whole) // 2], 422),
        "truncated png": (encoded("PNG")[:300], 422),
        "empty": (b"", 422),
        "too many bytes": (b"\xff\xd8\xff" + b"\0" * 20_000_000, 413),
        "too many pixels": (png_bomb(16_384), 422),
    }


class TestFormats:
    def test_every_row_of_the_table(self, api: RunningApi) -> None:
        """Extension and declared type lie throughout: the bytes decide."""
        with httpx.Client(base_url=api.url, timeout=40) as client:
            client.post("/process-face", files={"file": encoded("JPEG")})  # the worker's first photo also warms it up
            for name, (data, media_type) in accepted().items():
                answer = client.post("/process-face", files={"any": ("x.gif", data, "text/plain")})
                assert answer.status_code == 200, (name, answer.text)
                assert answer.headers["content-type"] == media_type, name
                assert answer.headers["x-faces-detected"] == "0", name
                assert Image.open(io.BytesIO(answer.content)).size == SIZE, name
            wanted = client.post("/process-face", files={"f": encoded("PNG")}, headers={"Accept": "image/jpeg"})
            assert wanted.headers["content-type"] == "image/jpeg"
            wrong = {}
            for name, (data, status) in refused().items():
                answer = client.post("/process-face", files={"file": ("x.jpg", data, "image/jpeg")})
                if answer.status_code != status or "request_id" not in answer.text:
                    wrong[name] = (answer.status_code, answer.content[:120])
            assert wrong == {}
            assert "16384" in answer.json()["detail"]
