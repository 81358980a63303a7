"""Photos with known faces: public faces pasted at known sizes, turns, exposures and qualities into public photos.

Deterministic. A face is pasted with its surroundings, so that detectors see a head and not a cut-out. The labelled
faces are split in two halves by the photo they come from: parameters are chosen on one, numbers are
reported on the other.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]

BACKGROUNDS = ("thumbor/no_face.jpg", "pillow/xmp_test.jpg", "pillow/frozenpond.mpo", "pillow/sugarshack.mpo")
_WORN = 0.3  # share of the collages that are blurred, and that are noisy
_SURROUNDINGS = 2.2  # side of what is pasted, over the longer side of the face


@dataclass(frozen=True, slots=True)
class Sample:
    """A JPEG with its faces (left, top, right, bottom) and boxes that count neither way."""

    name: str
    data: bytes
    faces: list[Box]
    ignored: list[Box]
    size: tuple[int, int]


def labelled(folder: Path, half: int) -> Iterator[Sample]:
    """Yield the labelled photos of one half, as they are."""
    labels = json.loads((folder / "faces.json").read_text())
    for name in sorted(labels)[half::2]:
        truth = labels[name]
        faces = [tuple(box) for box in truth["faces_xyxy"]]
        ignored = [tuple(box) for box in truth["ignore_xyxy"]]
        yield Sample(name, (folder / name).read_bytes(), faces, ignored, (truth["w"], truth["h"]))


def collages(folder: Path, half: int, count: int, seed: int = 11) -> Iterator[Sample]:
    """Yield `count` collages made of the faces of one half, 0.5 to 12 megapixels."""
    random = np.random.default_rng([seed, half])
    heads = [head for sample in labelled(folder, half) for head in _heads(sample)]
    for number in range(count):
        yield _collage(folder, heads, random, f"collage-{half}-{number:03}")


def _heads(sample: Sample) -> Iterator[tuple[Image, float]]:
    """Yield square cut-outs around faces that stand alone, and the face's share of the side."""
    picture = cv2.imdecode(np.frombuffer(sample.data, np.uint8), cv2.IMREAD_COLOR)
    for box in sample.faces:
        left, top, right, bottom = box
        side = max(right - left, bottom - top) * _SURROUNDINGS
        x, y = (left + right) / 2 - side / 2, (top + bottom) / 2 - side / 2
        inside = [other for other in sample.faces + sample.ignored if other != box and _meets(other, (x, y, side))]
        if inside or x < 0 or y < 0 or x + side > picture.shape[1] or y + side > picture.shape[0]:
            continue
        yield np.asarray(picture[int(y) : int(y + side), int(x) : int(x + side)]), box_share(box, side)


def box_share(box: Box, side: float) -> float:
    """Return the width of a face over the side of its cut-out."""
    return (box[2] - box[0]) / side


def _meets(box: Box, square: tuple[float, float, float]) -> bool:
    x, y, side = square
    return box[0] < x + side and box[2] > x and box[1] < y + side and box[3] > y


def _collage(folder: Path, heads: list[tuple[Image, float]], random: np.random.Generator, name: str) -> Sample:
    background = cv2.imread(str(folder / str(random.choice(BACKGROUNDS))))
    width = int(random.choice((800, 1280, 2000, 4000)))
    height = width * 3 // 4
    canvas = np.asarray(cv2.resize(background, (width, height), interpolation=cv2.INTER_CUBIC))
    faces: list[Box] = []
    taken: list[Box] = []
    for _ in range(60):
        placed = _place(canvas, heads[int(random.integers(len(heads)))], random, taken)
        if placed is not None:
            faces.append(placed)
    canvas = _worn(canvas, random)
    quality = int(random.integers(30, 96))
    data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return Sample(name, data, faces, [], (width, height))


def _place(canvas: Image, head: tuple[Image, float], random: np.random.Generator, taken: list[Box]) -> Box | None:
    """Paste a head at a free place; return its face. Sizes are even in octaves, from 16 pixels up."""
    cutout, share = head
    rows, columns = canvas.shape[:2]
    face = 2 ** random.uniform(4, np.log2(min(400, columns / 6)))
    if face < 16 * columns / 1600:
        return None  # smaller than any detector here resolves in a photo of this size; kept out of the truth
    side = int(face / share)
    if side >= min(rows, columns):
        return None
    x, y = int(random.integers(columns - side)), int(random.integers(rows - side))
    place = (x, y, x + side, y + side)
    if any(place[0] < o[2] and place[2] > o[0] and place[1] < o[3] and place[3] > o[1] for o in taken):
        return None
    taken.append(place)
    angle = float(random.normal(0, 12))
    turned = _turned(cutout, side, angle)
    light = random.uniform(0.35, 1.15)
    mask = np.zeros((side, side), np.float32)
    cv2.circle(mask, (side // 2, side // 2), int(side * 0.47), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(1.0, side * 0.02))[:, :, None]
    area = canvas[y : y + side, x : x + side]
    area[:] = (turned.astype(np.float32) * light * mask + area * (1 - mask)).clip(0, 255).astype(np.uint8)
    half_width, half_height = face / 2, face * 0.66
    return (
        x + side / 2 - half_width,
        y + side / 2 - half_height,
        x + side / 2 + half_width,
        y + side / 2 + half_height,
    )


def _turned(cutout: Image, side: int, angle: float) -> Image:
    method = cv2.INTER_AREA if side < cutout.shape[0] else cv2.INTER_CUBIC
    scaled = cv2.resize(cutout, (side, side), interpolation=method)
    move = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    return np.asarray(cv2.warpAffine(scaled, move, (side, side), borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)


def _worn(canvas: Image, random: np.random.Generator) -> Image:
    """Blur, and add the noise of a small sensor, to some."""
    result: Any = canvas
    if random.random() < _WORN:
        result = cv2.GaussianBlur(result, (0, 0), random.uniform(0.4, 1.0))
    if random.random() < _WORN:
        result = (result.astype(np.int16) + random.normal(0, 6, result.shape).astype(np.int16)).clip(0, 255)
    return np.asarray(result, dtype=np.uint8)
