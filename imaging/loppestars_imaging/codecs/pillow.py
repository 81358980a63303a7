"""Reading and writing through Pillow, with its many exceptions made one."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from PIL import Image

from loppestars_imaging.codecs.colour.icc import kept_profile
from loppestars_imaging.codecs.picture import Picture
from loppestars_imaging.errors import ImagingError, UnreadablePhoto
from loppestars_imaging.faces import Pixels
from loppestars_jpeg.orientation import Turn, turn_of

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked from the header, and names both numbers
_ORIENTATION_TAG: Final = 0x0112
_NO_MEMORY: Final = -4  # cv::Error::StsNoMem
_WEBP_NO_MEMORY: Final = "encoding error 1"  # VP8_ENC_ERROR_OUT_OF_MEMORY, as Pillow words it
_STRIP_PIXELS: Final = 1_000_000


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Turn whatever a decoder raises into UnreadablePhoto; warnings of decoders are not shown."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ImagingError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, cv2.error) and error.code == _NO_MEMORY:
            raise MemoryError from error
        raise UnreadablePhoto("it is truncated or damaged") from error


def open_image(data: bytes, pillow_format: str) -> Image.Image:
    """Open without decoding; only the named format is tried."""
    return Image.open(io.BytesIO(data), formats=[pillow_format])


def exif_turn(image: Image.Image) -> Turn:
    """Return the turn an image's EXIF (or XMP) asks for; unreadable metadata asks for none."""
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return turn_of(image.getexif().get(_ORIENTATION_TAG, 1))
    return turn_of(1)


def icc_of(image: Image.Image) -> bytes | None:
    """Return the profile that the result gets, where the image has one."""
    icc = image.info.get("icc_profile")
    return kept_profile(icc) if isinstance(icc, bytes) else None


def decode(image: Image.Image) -> Pixels:
    """Decode to 8-bit gray, RGB or RGBA (CMYK stays), the least that holds what the image shows."""
    image.load()
    transparent = "transparency" in image.info
    if image.mode == "CMYK" or (image.mode in {"L", "LA", "RGB", "RGBA"} and not transparent):
        pass
    elif image.mode in {"1", "L"} and not transparent:
        image = image.convert("L")
    elif transparent or image.mode in {"PA", "RGBa", "La"}:
        image = image.convert("RGBA")
    else:
        image = image.convert("RGB")
    return _pixels(image)


def _pixels(image: Image.Image) -> Pixels:
    """Copy the pixels out by strips: Pillow would hold the whole of them twice more meanwhile."""
    width, height = image.size
    pixels = np.empty((height, width, len(image.getbands())), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.asarray(strip).reshape(-1, width, pixels.shape[2])
    return pixels


def encode(picture: Picture, pillow_format: str, **options: object) -> bytes:
    """Write without any metadata but the colour profile."""
    target = io.BytesIO()
    try:
        picture.image().save(target, format=pillow_format, icc_profile=picture.icc, exif=b"", **options)
    except ValueError as error:
        if str(error) == _WEBP_NO_MEMORY:
            raise MemoryError from error
        raise
    return target.getvalue()
