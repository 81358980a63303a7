"""Every row of the format table through the real API, queue, worker and engine; and photos made to do harm."""

import contextlib
import io
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from tests.factories.platform import Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

MEBIBYTE = 1024 * 1024
_MAX_SECONDS = 2.0
"""Of computing, which a busy machine does not stretch."""
_MAX_MEMORY = 300 * MEBIBYTE


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """An API and an imaging worker."""
    with tempfile.TemporaryDirectory(prefix="loppestars-formats-") as folder:
        made = Stack(Path(folder))
        try:
            made.start_api()
            made.start_imaging()
            yield made
        finally:
            made.close()


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((320, 240)).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def heic() -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.linear_gradient("L").resize((320, 240)).convert("RGB")).save(buffer)
    return buffer.getvalue()


def animated() -> bytes:
    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (10, 120, 240)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=100)
    return buffer.getvalue()


def png_bomb(side: int = 16384) -> bytes:
    """A PNG of side² pixels of nothing: some 30 KB that would decode to 1.5 GB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    compressor = zlib.compressobj(9)
    row = b"\0" * (side * 3 + 1)
    body = b"".join(compressor.compress(row) for _ in range(64)) + compressor.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def scan_of_a_phone() -> bytes:
    """A baseline JPEG whose scan header does not say 0, 63, 0."""
    at = JPEG.index(b"\xff\xda")
    at += 2 + int.from_bytes(JPEG[at + 2 : at + 4], "big")
    return JPEG[: at - 3] + bytes(3) + JPEG[at:]


def with_code_points(kind: str, primaries: int, transfer: int) -> bytes:
    """A photo that says its colours by numbers of ITU-T H.273."""
    if kind == "PNG":
        body = b"cICP" + bytes((primaries, transfer, 0, 1))
        data = saved("PNG")
        return data[:33] + struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    data = saved("AVIF")
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


JPEG = saved("JPEG")
ROWS = {
    "jpeg": (JPEG, 200),
    "progressive jpeg": (saved("JPEG", progressive=True), 200),
    "gray jpeg": (saved("JPEG", "L"), 200),
    "cmyk jpeg": (saved("JPEG", "CMYK"), 200),
    "png": (saved("PNG"), 200),
    "palette png": (saved("PNG", "P"), 200),
    "png with alpha": (saved("PNG", "RGBA"), 200),
    "webp": (saved("WEBP"), 200),
    "avif": (saved("AVIF"), 200),
    "avif in P3": (with_code_points("AVIF", 12, 13), 200),
    "avif in PQ": (with_code_points("AVIF", 9, 16), 200),
    "png in P3": (with_code_points("PNG", 12, 13), 200),
    "odd scan header": (scan_of_a_phone(), 200),
    "arithmetic jpeg": (JPEG.replace(b"\xff\xc0", b"\xff\xc9", 1), 415),
    "jpeg xl": (b"\xff\x0a" + bytes(100), 415),
    "video": (b"\0\0\0\x18ftypmp42" + bytes(100), 415),
    "heic": (heic(), 200),
    "animated webp": (animated(), 415),
    "tiff": (saved("TIFF"), 415),
    "gif": (saved("GIF", "P"), 415),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415),
    "pdf": (b"%PDF-1.7\n", 415),
    "unknown": (bytes(range(256)) * 4, 415),
    "truncated jpeg": (JPEG[: len(JPEG) // 2], 422),
    "truncated png": (saved("PNG")[:600], 422),
    "damaged png": (saved("PNG")[:600] + bytes(600), 422),
    "empty": (b"", 422),
    "png bomb": (png_bomb(), 422),
    "60 megabytes": (JPEG + bytes(60 * MEBIBYTE), 413),
}


class TestProcessFace:
    @pytest.mark.parametrize("name", ROWS)
    def test_row(self, stack: Stack, name: str) -> None:
        """Each gets its status quickly, whatever its name and declared type say, and imaging stays small."""
        data, status = ROWS[name]
        before = computed_seconds(stack)
        answer = stack.client.post("/process-face", files={"photo": ("wrong.txt", data, "text/plain")})
        assert answer.status_code == status, answer.text[:300]
        if status == 200:
            kept = {name: "image/png" for name in ROWS if "png" in name} | {"webp": "image/webp"}
            assert answer.headers["content-type"] == kept.get(name, "image/jpeg")
            assert int(answer.headers["X-Faces-Detected"]) == 0
        else:
            assert set(answer.json()) == {"detail", "request_id"}
            # What is decoded may take longer; what is refused by its header may not.
            after = computed_seconds(stack)
            assert all(after[pid] - before[pid] < _MAX_SECONDS for pid in before.keys() & after.keys())
        assert engine_peak(stack) < _MAX_MEMORY

    def test_accept_asks_for_jpeg(self, stack: Stack) -> None:
        """A PNG becomes a JPEG where the caller says so."""
        answer = stack.client.post("/process-face", files={"f": ROWS["png"][0]}, headers={"Accept": "image/jpeg"})
        assert answer.headers["content-type"] == "image/jpeg"

    def test_nothing_is_kept(self, stack: Stack) -> None:
        """No row, no object, no public file of any of it."""
        # The row goes just after the last byte was sent.
        stack.wait_until(
            lambda: (
                stack.query("SELECT count(*) FROM photos WHERE subject = 'temporary'") == [(0,)]
                and not [path for path in stack.storage.rglob("*") if path.is_file()]
            ),
            "what was sent is gone",
            seconds=10,
        )


class TestProcess:
    @pytest.mark.parametrize("name", ROWS)
    def test_row(self, stack: Stack, name: str) -> None:
        """An uploaded original gets the same status, always a JPEG, and nothing of a refused one is public."""
        data, status = ROWS[name]
        path = stack.upload("formats", list(ROWS).index(name), data)
        answer = stack.process("formats", path)
        assert answer.status_code == status, answer.text[:300]
        if status == 200:
            assert stack.client.get(answer.json()["processedImageUrl"]).headers["content-type"] == "image/jpeg"
        else:
            found = stack.query("SELECT visibility FROM photos WHERE original_key = %s", path)
            assert found in ([], [("private",)])
        assert engine_peak(stack) < _MAX_MEMORY


def imaging_processes(stack: Stack) -> Iterator[tuple[Path, list[str]]]:
    """Yield the worker and its engines: folders of /proc, and what follows the name in `stat`."""
    worker = stack.children[-1].process.pid
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            stat = (process / "stat").read_text().rpartition(") ")[2].split()
            if worker in {int(process.name), int(stat[1])}:
                yield process, stat


def computed_seconds(stack: Stack) -> dict[str, float]:
    """Return the processor time that each process of imaging has taken."""
    hertz = os.sysconf("SC_CLK_TCK")
    return {process.name: (int(stat[11]) + int(stat[12])) / hertz for process, stat in imaging_processes(stack)}


def engine_peak(stack: Stack) -> int:
    """Highest peak of resident memory, in bytes, of the worker and its engines."""
    peaks = []
    for process, _ in imaging_processes(stack):
        with contextlib.suppress(OSError):
            status = (process / "status").read_text()
            peaks += [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return max(peaks)
