"""A picture of photos before and after, for a quick look at a whole folder."""

from pathlib import Path

import pillow_heif
from PIL import Image, ImageDraw, ImageOps

_CELL = (320, 240)
_LABEL = 18
_PAIRS_ACROSS = 2
MOST_PAIRS = 40
"""More photos are left out of the sheet, never out of the work."""


def contact_sheet(pairs: list[tuple[Path, Path]], target: Path) -> None:
    """Draw up to MOST_PAIRS (before, after) pairs of files into a JPEG."""
    pillow_heif.register_heif_opener()
    shown = pairs[:MOST_PAIRS]
    rows = max(1, -(-len(shown) // _PAIRS_ACROSS))
    width, height = _CELL
    sheet = Image.new("RGB", (2 * _PAIRS_ACROSS * width, rows * (height + _LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (before, after) in enumerate(shown):
        left, top = index % _PAIRS_ACROSS * 2 * width, index // _PAIRS_ACROSS * (height + _LABEL)
        draw.text((left + 4, top + 3), before.name, fill="black")
        for offset, path in enumerate((before, after)):
            with Image.open(path) as opened:
                opened.draft("RGB", _CELL)
                small = ImageOps.contain(ImageOps.exif_transpose(opened).convert("RGB"), (width - 4, height - 4))
            sheet.paste(small, (left + offset * width + 2, top + _LABEL))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target, "JPEG", quality=88)
