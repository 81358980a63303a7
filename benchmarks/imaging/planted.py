"""Photos of a phone's size with faces of one height each: what is published has been searched at its own scale.

Faces of a half are pasted, with their surroundings, into its backgrounds; every photo follows from its half, size,
height and number alone. Backgrounds are laid side by side at their own scale, mirrored, so that a large photo has as
much detail as a photo of a crowd of things.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import cv2
import numpy as np

from benchmarks.imaging.collages import Head, face_box, heads_of, meets, piece_of, turned
from benchmarks.imaging.photos import SPLIT, Box, Image, Sample, crowds, portraits

HEIGHTS: Final = (20, 24, 32, 40, 56, 80, 120)
SIZES: Final = {
    "12 MP": (4000, 3000),
    "24 MP": (4240, 5664),
    "48 MP": (8064, 6048),
    "panorama 20,480": (20480, 886),
    "panorama 30,000": (30000, 1600),
    "panorama 65,500": (65500, 720),
}
FACES: Final = 24
_DARK, _COVERED, _TURNED = 0.15, 0.1, 0.2
_ATTEMPTS: Final = 600


def planted(half: str, size: str, height: int, number: int = 0) -> Sample:
    """Return a photo of this size with faces of this height, in pixels of the photo."""
    width, rows = SIZES[size]
    random = np.random.default_rng([17, half == "held", width, rows, height, number])
    canvas = background(half, random, (width, rows))
    heads = [head for sample in (*crowds(half), *portraits(half)) for head in heads_of(sample)]
    fitting = [head for head in heads if head.height * head.picture.shape[0] >= height]
    faces: list[Box] = []
    taken: list[Box] = []
    for _ in range(_ATTEMPTS):
        if len(faces) == FACES:
            break
        head = fitting[int(random.integers(len(fitting)))]
        placed = _plant(canvas, head, height, random, taken)
        if placed is not None:
            faces.append(placed)
    data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(80, 96))])[1].tobytes()
    return Sample(f"{size}, {height} px", data, faces, [], (width, rows))


def photos(half: str, sizes: Iterable[str] | None = None) -> Iterator[Sample]:
    """Yield a photo for every size and height."""
    for size in sizes or SIZES:
        for height in HEIGHTS:
            yield planted(half, size, height)


def background(half: str, random: np.random.Generator, size: tuple[int, int]) -> Image:
    """Lay the half's backgrounds side by side, at one to three times their own scale, mirrored or not."""
    pieces = [piece_of(name, part) for name, part in SPLIT[half].backgrounds]
    width, height = size
    canvas = np.empty((height, width, 3), np.uint8)
    top = 0
    while top < height:
        rows = min(int(random.integers(400, 1200)), height - top)
        left = 0
        while left < width:
            piece = pieces[int(random.integers(len(pieces)))]
            factor = max(rows / piece.shape[0], float(random.uniform(1, 3)))
            enlarged = cv2.resize(piece, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            if random.random() < 0.5:  # noqa: PLR2004 - every other one
                enlarged = enlarged[:, ::-1]
            columns = min(enlarged.shape[1], width - left)
            canvas[top : top + rows, left : left + columns] = enlarged[:rows, :columns]
            left += columns
        top += rows
    return canvas


def _plant(canvas: Image, head: Head, height: int, random: np.random.Generator, taken: list[Box]) -> Box | None:
    rows, columns = canvas.shape[:2]
    side = round(height / head.height)
    if side >= min(rows, columns):
        return None
    x, y = int(random.integers(columns - side)), int(random.integers(rows - side))
    place = (x, y, x + side, y + side)
    if any(meets(place, other) for other in taken):
        return None
    taken.append(place)
    angle = float(random.uniform(-30, 30) if random.random() < _TURNED else random.normal(0, 7))
    light = float(random.uniform(0.35, 0.6) if random.random() < _DARK else random.uniform(0.8, 1.15))
    picture = head.picture[:, ::-1] if random.random() < 0.5 else head.picture  # noqa: PLR2004 - every other one
    if random.random() < _COVERED:
        picture = picture.copy()
        picture[round(picture.shape[0] * (0.5 + head.height / 6)) :] = random.integers(20, 236, 3)
    pasted = turned(picture, side, angle)
    mask = np.zeros((side, side), np.float32)
    cv2.circle(mask, (side // 2, side // 2), int(side * 0.47), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(1.0, side * 0.02))[:, :, None]
    area = canvas[y : y + side, x : x + side]
    area[:] = (pasted * (light * mask) + area * (1 - mask)).clip(0, 255).astype(np.uint8)
    return face_box(x + side / 2, y + side / 2, height * head.width / head.height, height, angle)
