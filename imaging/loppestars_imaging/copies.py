"""Smaller copies of a result: a thumbnail for lists, and a size for screens.

Made from the bytes that are published, so that nothing can show in them that the result does not show.
"""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from loppestars_imaging.pipeline import Anonymised


@dataclass(frozen=True, slots=True)
class Copy:
    """A smaller copy, as JPEG."""

    kind: str
    width: int
    height: int
    data: bytes


_SIZES: Final = (("screen", 1280, 82), ("thumbnail", 400, 80))
"""Kind, longest side in pixels, JPEG quality; the larger first, because the smaller is made from it."""


def smaller_copies(result: Anonymised) -> list[Copy]:
    """Return the copies that are smaller than the result itself; a thumbnail there always is."""
    copies = []
    with Image.open(io.BytesIO(result.data), formats=[result.format.upper()]) as opened:
        opened.draft(None, (_SIZES[0][1], _SIZES[0][1]))  # a JPEG is decoded at a half, a quarter or an eighth
        icc = opened.info.get("icc_profile")
        picture = _flat(opened)
    picture.info.clear()
    for kind, side, quality in _SIZES:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
        if kind == "thumbnail" or max(result.width, result.height) > side:
            target = io.BytesIO()
            picture.save(target, "JPEG", quality=quality, icc_profile=icc, exif=b"")
            copies.append(Copy(kind, *picture.size, target.getvalue()))
    return copies


def _flat(image: Image.Image) -> Image.Image:
    """Return the picture as a JPEG holds it: what is transparent over white, sixteen bits as eight."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        page = Image.new("RGBA", image.size, "white")
        page.alpha_composite(image.convert("RGBA"))
        image = page
    return image.copy() if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")
