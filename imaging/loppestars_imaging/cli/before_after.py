"""Draws photos before and after into one picture; a process of its own, started by `preview`."""

import json
import sys
from pathlib import Path
from typing import Final

import pillow_heif
from PIL import Image, ImageDraw, ImageOps

from loppestars_imaging.engine.confinement import bind_to_parent, bound_memory

_CELL: Final = (320, 240)
_LABEL: Final = 18
_LABEL_LETTERS: Final = 90
_PAIRS_ACROSS: Final = 2


def contact_sheet(pairs: list[tuple[Path, Path]], target: Path) -> None:
    """Draw the pairs; a picture that cannot be shown leaves an empty place."""
    pillow_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = None  # these photos passed the limit that was asked for
    rows = max(1, -(-len(pairs) // _PAIRS_ACROSS))
    width, height = _CELL
    sheet = Image.new("RGB", (2 * _PAIRS_ACROSS * width, rows * (height + _LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (before, after) in enumerate(pairs):
        left, top = index % _PAIRS_ACROSS * 2 * width, index // _PAIRS_ACROSS * (height + _LABEL)
        # The built-in font has these letters only.
        label = before.name.encode("latin-1", "replace").decode("latin-1")[:_LABEL_LETTERS]
        draw.text((left + 4, top + 3), label, fill="black")
        for offset, path in enumerate((before, after)):
            place = left + offset * width + 2, top + _LABEL
            try:
                sheet.paste(_small(path), place)
            except Exception:  # noqa: BLE001 - decoders raise many kinds
                draw.text(place, "cannot be shown", fill="gray")
    sheet.save(target, "JPEG", quality=88)


def _small(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        opened.draft("RGB", _CELL)
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I;16"):
            image = image.point([value >> 8 for value in range(1 << 16)], "L")
        image = ImageOps.contain(image, (_CELL[0] - 4, _CELL[1] - 4))
        if image.has_transparency_data:
            page = Image.new("RGBA", image.size, "white")
            page.alpha_composite(image.convert("RGBA"))
            image = page
        return image.convert("RGB")


def main() -> None:
    """Draw what stdin asks for."""
    bind_to_parent()
    bound_memory(int(sys.argv[1]))
    wish = json.load(sys.stdin)
    try:
        contact_sheet([(Path(before), Path(after)) for before, after in wish["pairs"]], Path(wish["target"]))
    except OSError as error:
        sys.exit(error.strerror or str(error))


if __name__ == "__main__":
    main()
