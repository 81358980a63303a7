"""Peak memory of an engine by megapixels, for each way through the pipeline."""

import asyncio
import io
from typing import Final

import cv2
import pillow_heif
from PIL import Image as PillowImage

from benchmarks.imaging.engines import TASK, peak_mib, pid_of
from benchmarks.imaging.photos import Image, read
from benchmarks.imaging.pipelines import worker_settings
from loppestars_imaging.engine.pool import Engine

MEGAPIXELS: Final = (12, 24, 50, 100)
KINDS: Final = ("JPEG", "JPEG progressive", "JPEG turned", "JPEG decoded", "PNG", "WebP", "AVIF", "HEIC")
"""`turned` is edited in its blocks too; `decoded` cannot be, because its edge holds half a block."""
_SLOW_ENCODERS: Final = {"AVIF", "HEIC"}
_MAX_WEBP: Final = 16383
_ORIENTATION: Final = 0x0112


def photo(kind: str, megapixels: int) -> bytes:
    """Return a photo of three people of so many megapixels, 4:3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5) // 16 * 16
    height = width * 3 // 4 // 16 * 16
    if kind == "JPEG decoded":
        width -= 5
    picture = cv2.resize(read("dlib/2008_002506.jpg"), (width, height), interpolation=cv2.INTER_CUBIC)
    return _saved(picture, kind)


def _saved(picture: Image, kind: str) -> bytes:
    target = io.BytesIO()
    image = PillowImage.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    if kind.startswith("JPEG"):
        exif = PillowImage.Exif()
        if kind in {"JPEG turned", "JPEG decoded"}:
            exif[_ORIENTATION] = 3
        image.save(target, "JPEG", quality=90, progressive=kind == "JPEG progressive", exif=exif.tobytes())
    elif kind == "HEIC":
        pillow_heif.from_pillow(image).save(target, quality=70)
    elif kind == "AVIF":
        image.save(target, "AVIF", quality=60, speed=10)
    else:
        image.save(target, kind.upper(), **({"compress_level": 1} if kind == "PNG" else {"quality": 80, "method": 0}))
    return target.getvalue()


def run() -> None:
    """Print MiB for each format and size; an engine of its own each."""
    print("\npeak memory of an engine (MiB), and seconds, one photo each")
    print(f"{'':<18}{''.join(f'{size:>16} MP' for size in MEGAPIXELS)}")
    for kind in KINDS:
        cells = [asyncio.run(_peak(kind, size)) if _possible(kind, size) else "-" for size in MEGAPIXELS]
        print(f"{kind:<18}{''.join(f'{cell:>19}' for cell in cells)}", flush=True)


def _possible(kind: str, megapixels: int) -> bool:
    """Encoders of AVIF and HEIC take minutes and gigabytes for the largest."""
    return kind not in _SLOW_ENCODERS or megapixels <= 50  # noqa: PLR2004 - the default limit


async def _peak(kind: str, megapixels: int) -> str:
    data = photo(kind, megapixels)
    settings = worker_settings(
        max_pixels=110_000_000,
        max_bytes=512 * 1024 * 1024,
        engine_memory_mib=8192,
        engine_recycle_mib=8192,
        photo_timeout_seconds=300,
    )
    engine = Engine(settings)
    await engine.start()
    pid, loop = pid_of(engine), asyncio.get_running_loop()
    started = loop.time()
    await engine.anonymise(data, TASK)
    cell = f"{peak_mib(pid)} ({loop.time() - started:.1f} s)"
    await engine.stop()
    return cell
