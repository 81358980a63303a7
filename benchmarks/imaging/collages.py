"""Photos with known faces: public faces pasted at known sizes, turns and exposures into public photos.

Every collage follows from its number and its half alone. A face is pasted with its surroundings, so that detectors see
a head and not a cut-out; backgrounds are laid side by side, so that a large collage has as much detail as a photo.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from benchmarks.imaging.matching import TINY, class_of
from benchmarks.imaging.photos import SPLIT, Box, Image, Sample, crowds, portraits, read

SIZES: Final = (
    (816, 612),
    (2048, 1536),
    (1264, 948),
    (3000, 4000),
    (612, 816),
    (1536, 2048),
    (4000, 3000),
    (948, 1264),
    (2592, 1944),
    (8160, 6120),
)
"""Width and height of the collages in turn: 0.5 to 50 megapixels."""
SMALLEST, LARGEST = 16, 1600
"""Heights of the pasted faces in pixels, even in octaves between them."""

_MAX_ENLARGED: Final = 8.0  # a face is cut out only where it has an eighth of the wanted pixels or more
_LEAST_CUT: Final = 24  # pixels high; fewer show no face when enlarged
_ATTEMPTS: Final = 90
_SURROUNDINGS: Final = (2.2, 1.9, 1.6, 1.35)  # side of a cut-out over the height of the face, the widest that fits
_OUTSIDE: Final = 0.25  # share of a cut-out that may lie outside of its photo, which is then continued
_EVEN: Final = 0.5
_DARK, _BLURRED, _NOISY, _COVERED, _TURNED = 0.25, 0.3, 0.3, 0.1, 0.3  # shares of the collages, and of the faces


@dataclass(frozen=True, slots=True)
class Head:
    """A square cut-out; width and height of its face are shares of the side."""

    picture: Image
    width: float
    height: float


def collages(half: str, count: int | None = None, faces: int | None = None, seed: int = 11) -> Iterator[Sample]:
    """Yield `count` collages, or as many as have `faces` faces of LEAST_SHARE together."""
    heads = [head for sample in (*crowds(half), *portraits(half)) for head in heads_of(sample)]
    pieces = [piece_of(name, part) for name, part in SPLIT[half].backgrounds]
    number = total = 0
    while (count is None or number < count) and (faces is None or total < faces):
        random = np.random.default_rng([seed, half == "held", number])
        sample = _collage(heads, pieces, random, f"collage-{half}-{number:03}", SIZES[number % len(SIZES)])
        number, total = number + 1, total + sum(class_of(face, sample.size) != TINY for face in sample.faces)
        yield sample


def piece_of(name: str, part: tuple[int, int, int, int] | None) -> Image:
    picture = read(name)
    if part is None:
        return picture
    left, top, right, bottom = part
    return picture[top:bottom, left:right]


def heads_of(sample: Sample) -> Iterator[Head]:
    """Cut out the faces that stand alone."""
    picture = read(sample.name)
    for box in (face for face in sample.faces if face[3] - face[1] >= _LEAST_CUT):
        others = [other for other in sample.faces + sample.ignored if other != box]
        for factor in _SURROUNDINGS:
            height = box[3] - box[1]
            side = round(height * factor)
            left, top = round((box[0] + box[2] - side) / 2), round((box[1] + box[3] - side) / 2)
            square = (left, top, left + side, top + side)
            outside = max(-left, -top, square[2] - picture.shape[1], square[3] - picture.shape[0], 0)
            if outside <= _OUTSIDE * side and not any(meets(other, square) for other in others):
                padded = cv2.copyMakeBorder(picture, outside, outside, outside, outside, cv2.BORDER_REPLICATE)
                cut = padded[top + outside : top + outside + side, left + outside : left + outside + side]
                yield Head(np.asarray(cut, dtype=np.uint8), (box[2] - box[0]) / side, height / side)
                break


def meets(box: Box, other: Box) -> bool:
    return box[0] < other[2] and box[2] > other[0] and box[1] < other[3] and box[3] > other[1]


def _collage(
    heads: list[Head], pieces: list[Image], random: np.random.Generator, name: str, size: tuple[int, int]
) -> Sample:
    canvas = _background(pieces, random, size)
    faces: list[Box] = []
    taken: list[Box] = []
    for _ in range(_ATTEMPTS):
        face = 2 ** random.uniform(np.log2(SMALLEST), np.log2(LARGEST))
        fitting = [head for head in heads if face <= head.height * head.picture.shape[0] * _MAX_ENLARGED]
        if not fitting:
            continue
        placed = _place(canvas, fitting[int(random.integers(len(fitting)))], face, random, taken)
        if placed is not None:
            faces.append(placed)
    canvas = _worn(canvas, random)
    quality = int(random.integers(30, 96))
    data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return Sample(name, data, faces, [], size)


def _background(pieces: list[Image], random: np.random.Generator, size: tuple[int, int]) -> Image:
    """Lay pieces side by side, none enlarged very much."""
    width, height = size
    canvas = np.empty((height, width, 3), np.uint8)
    across = max(1, round(max(size) / 1400))
    columns = np.linspace(0, width, (across if width >= height else max(1, across * 3 // 4)) + 1).astype(int)
    rows = np.linspace(0, height, (across if height >= width else max(1, across * 3 // 4)) + 1).astype(int)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            piece = pieces[int(random.integers(len(pieces)))]
            piece = piece[:, ::-1] if random.random() < _EVEN else piece
            canvas[top:bottom, left:right] = cv2.resize(
                piece, (right - left, bottom - top), interpolation=cv2.INTER_CUBIC
            )
    return canvas


def _place(canvas: Image, head: Head, face: float, random: np.random.Generator, taken: list[Box]) -> Box | None:
    """Paste a head whose face is `face` pixels high at a free place; return the face's box."""
    rows, columns = canvas.shape[:2]
    side = round(face / head.height)
    if side >= min(rows, columns):
        return None
    x, y = int(random.integers(columns - side)), int(random.integers(rows - side))
    place = (x, y, x + side, y + side)
    if any(meets(place, other) for other in taken):
        return None
    taken.append(place)
    angle = random.uniform(-35, 35) if random.random() < _TURNED else random.normal(0, 8)
    light = random.uniform(0.7, 1.15)
    picture = _hidden(head, random) if random.random() < _COVERED else head.picture
    picture = picture[:, ::-1] if random.random() < _EVEN else picture
    pasted = turned(picture, side, float(angle))
    mask = np.zeros((side, side), np.float32)
    cv2.circle(mask, (side // 2, side // 2), int(side * 0.47), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(1.0, side * 0.02))[:, :, None]
    area = canvas[y : y + side, x : x + side]
    tint = (light * random.uniform(0.93, 1.07, 3)).astype(np.float32)
    area[:] = (pasted * (tint * mask) + area * (1 - mask)).clip(0, 255).astype(np.uint8)
    return face_box(x + side / 2, y + side / 2, face * head.width / head.height, face, float(angle))


def _hidden(head: Head, random: np.random.Generator) -> Image:
    """Cover the lowest quarter of the face, or a quarter from one side, as a scarf, a cup or a shoulder does."""
    picture = head.picture.copy()
    side = picture.shape[0]
    color = random.integers(20, 236, 3)
    if random.random() < _EVEN:
        picture[round(side * (0.5 + head.height / 4)) :] = color
    else:
        edge = round(side * (0.5 + head.width / 4))
        picture[:, edge:] = color
    return picture


def turned(picture: Image, side: int, angle: float) -> Image:
    method = cv2.INTER_AREA if side < picture.shape[0] else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, (side, side), interpolation=method)
    move = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    return np.asarray(cv2.warpAffine(scaled, move, (side, side), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def face_box(x: float, y: float, width: float, height: float, angle: float) -> Box:
    """Return the box around an ellipse of that width and height, turned by `angle` degrees."""
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    half_width = float(np.hypot(width * cosine, height * sine)) / 2
    half_height = float(np.hypot(width * sine, height * cosine)) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def _worn(canvas: Image, random: np.random.Generator) -> Image:
    """Darken, blur, and add the noise of a small sensor, to some."""
    if random.random() < _DARK:
        canvas = cv2.convertScaleAbs(canvas, alpha=random.uniform(0.3, 0.6)).astype(np.uint8)
    if random.random() < _BLURRED:
        sigma = random.uniform(0.4, 1.0) * max(1.0, max(canvas.shape) / 2000)
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), sigma), dtype=np.uint8)
    if random.random() < _NOISY:
        grain = random.normal(0, 6, (512, 512, 3)).astype(np.int16)
        for top in range(0, canvas.shape[0], 512):
            for left in range(0, canvas.shape[1], 512):
                area = canvas[top : top + 512, left : left + 512]
                area[:] = (area + grain[: area.shape[0], : area.shape[1]]).clip(0, 255)
    return canvas
