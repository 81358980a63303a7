"""Eight photos before and after, for the documentation: four as they are, four composed of them, as their names say.

All lie in tests/imaging/photos, with their licences.
"""

import io
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.imaging.photos import ROOT
from benchmarks.imaging.photos import Image as Pixels
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.options import Options
from loppestars_imaging.pipeline import Anonymiser

PEOPLE: Final = ROOT / "tests" / "imaging" / "photos"
_CELL: Final = (400, 300)
_GAP: Final = 6


def _photo(name: str) -> Image.Image:
    with Image.open(PEOPLE / f"{name}.jpg") as image:
        return image.convert("RGB")


def _two_people() -> Image.Image:
    """Lay two portraits side by side."""
    page = Image.new("RGB", (800, 600), "white")
    page.paste(_photo("astronaut").resize((600, 600)).crop((60, 0, 460, 600)), (0, 0))
    page.paste(_photo("hopper").resize((600, 600), Image.Resampling.LANCZOS).crop((60, 0, 460, 600)), (400, 0))
    return page


def _mask() -> Image.Image:
    """Draw a mask over mouth and nose."""
    page = _photo("astronaut")
    draw = ImageDraw.Draw(page)
    draw.polygon([(190, 124), (226, 114), (264, 122), (258, 160), (228, 176), (196, 160)], fill=(170, 205, 215))
    for line in (130, 142, 154):
        draw.line([(196, line), (258, line - 2)], fill=(140, 180, 192), width=1)
    return page


def _drawing() -> Image.Image:
    """Draw a family as a child does."""
    page = Image.new("RGB", (800, 600), (250, 248, 240))
    draw = ImageDraw.Draw(page)
    for x, y, size, colour in ((200, 190, 70, "#d33"), (420, 170, 80, "#36c"), (610, 280, 50, "#2a2")):
        draw.ellipse((x - size, y - size, x + size, y + size), outline=colour, width=7)
        for side in (-1, 1):
            eye = x + side * size // 3
            draw.ellipse((eye - 7, y - 22, eye + 7, y - 8), fill="black")
            draw.line((x, y + size + 170, x + side * 60, y + size + 250), fill=colour, width=7)
            draw.line((x, y + size + 50, x + side * 90, y + size + 20), fill=colour, width=7)
        draw.arc((x - size // 2, y - size // 3, x + size // 2, y + size // 2), 20, 160, fill="#c22", width=6)
        draw.line((x, y + size, x, y + size + 170), fill=colour, width=7)
    return page


def _night() -> Image.Image:
    """Take the light out of a crowd, and add the noise that a phone adds."""
    light = np.asarray(_photo("city"), dtype=np.float32)
    dark = light * np.array([0.22, 0.24, 0.32], np.float32) + np.random.default_rng(5).normal(0, 4, light.shape)
    return Image.fromarray(dark.clip(0, 255).astype(np.uint8))


SUBJECTS: Final[dict[str, Callable[[], Image.Image]]] = {
    "portrait": lambda: _photo("portrait"),
    "two people": _two_people,
    "crowd": lambda: _photo("city"),
    "profile": lambda: _photo("photographer"),
    "mask": _mask,
    "drawing": _drawing,
    "animal": lambda: _photo("cat"),
    "night": _night,
}


def before_and_after() -> dict[str, tuple[Pixels, Pixels]]:
    """Return each photo and its result, as RGB."""
    anonymiser, pairs = Anonymiser(YuNet()), {}
    for name, make in SUBJECTS.items():
        target = io.BytesIO()
        make().save(target, "JPEG", quality=92)
        with Image.open(io.BytesIO(anonymiser.anonymise(target.getvalue(), Options()).data)) as done:
            pairs[name] = np.asarray(make()), np.asarray(done.convert("RGB"))
    return pairs


def draw(target: str = str(ROOT / "docs" / "pictures" / "imaging-eight-photos.jpg")) -> None:
    """Draw the sheet: two photos a row, each before and after."""
    pairs = list(before_and_after().values())
    width, height = _CELL
    sheet = Image.new("RGB", (4 * (width + _GAP) - _GAP, 4 * (height + _GAP) - _GAP), "white")
    for index, pair in enumerate(pairs):
        for side, pixels in enumerate(pair):
            scale = max(width / pixels.shape[1], height / pixels.shape[0])
            small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            left, top = (small.shape[1] - width) // 2, 0
            cell = Image.fromarray(small[top : top + height, left : left + width])
            sheet.paste(cell, ((index % 2 * 2 + side) * (width + _GAP), index // 2 * (height + _GAP)))
    sheet.save(target, "JPEG", quality=85, optimize=True)


if __name__ == "__main__":
    draw()
