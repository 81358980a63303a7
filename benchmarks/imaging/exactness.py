"""For every JPEG among the photos: how many pixels differ outside the treated blocks.

A block is treated when its luma coefficients differ from those of the photo turned upright without a face covered, or
when it lies under or next to chroma that differs: decoders interpolate chroma. The turned photo is compared, because a
decoder rounds mirrored blocks another way: coefficients are kept, pixels nearly.
"""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.imaging.photos import PHOTOS
from benchmarks.imaging.pipelines import Ours
from loppestars_imaging.errors import PhotoRefused
from loppestars_imaging.pipeline import Anonymised
from loppestars_jpeg.library import load_library
from loppestars_jpeg.photo import CoefficientPhoto, Coefficients
from loppestars_jpeg.structs import DCTSIZE
from loppestars_jpeg.structure import read_structure
from loppestars_jpeg.turning import turn_upright


@dataclass(frozen=True, slots=True)
class Exactness:
    """`outside`: differing pixels outside of treated blocks. `reach`: how far, in pixels, a block lies from an area."""

    outside: int
    reach: int
    turned: bool


def compare(before: bytes, done: Anonymised) -> Exactness:
    """Compare a result that was edited in blocks with its original."""
    upright, planes = _upright(before)
    _, new_planes = _upright(done.data)
    treated = _treated(planes, new_planes)[: -(-done.height // DCTSIZE), : -(-done.width // DCTSIZE)]
    wide = np.repeat(np.repeat(treated, DCTSIZE, axis=0), DCTSIZE, axis=1)[: done.height, : done.width]
    different = (_pixels(upright) != _pixels(done.data)).any(axis=2)
    return Exactness(int((different & ~wide).sum()), _reach(treated, done), read_structure(before).turn.transpose)


def _treated(planes: list[Coefficients], new_planes: list[Coefficients]) -> npt.NDArray[np.bool_]:
    luma, *chroma = [(old != new).any(axis=2) for old, new in zip(planes, new_planes, strict=True)]
    beside = np.zeros_like(luma)
    for plane in chroma:
        wide = np.kron(plane, np.ones((luma.shape[0] // plane.shape[0], luma.shape[1] // plane.shape[1]), np.uint8))
        beside |= cv2.dilate(wide.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    return luma | beside


def _upright(data: bytes) -> tuple[bytes, list[Coefficients]]:
    """Return the photo turned upright in its blocks, and its coefficients (rows, columns, 64), luma first."""
    library = load_library()
    if library is None:
        raise RuntimeError("libjpeg-turbo is not here: no photo is edited in its blocks")
    with CoefficientPhoto(library, data, read_structure(data)) as photo:
        photo.look(2)
        turn_upright(photo)
        return photo.write(), [plane.blocks.copy() for plane in photo.targets]


def _pixels(data: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        array = np.asarray(image)
    return array.reshape(array.shape[0], array.shape[1], -1)


def _reach(treated: npt.NDArray[np.bool_], done: Anonymised) -> int:
    rows, columns = np.nonzero(treated)
    if not len(rows):
        return 0
    nearest = np.full(len(rows), np.inf)
    for area in done.areas:
        (cx, cy), (rx, ry) = (area.x, area.y), area.outer
        left, top = columns * DCTSIZE, rows * DCTSIZE
        dx = np.maximum(cx - rx - left, left + DCTSIZE - cx - rx)
        dy = np.maximum(cy - ry - top, top + DCTSIZE - cy - ry)
        nearest = np.minimum(nearest, np.maximum(dx, dy))
    return int(np.ceil(nearest.max()))


def run() -> None:
    """Print a line for each photo that was not edited in its blocks, or is not exact, and the sums."""
    pipeline = Ours()
    exact = faces = furthest = 0
    print("\npixels that differ outside the treated blocks, for every JPEG")
    for path in sorted(PHOTOS.glob("*/*")):
        data = path.read_bytes()
        if data[:3] != b"\xff\xd8\xff":
            continue
        name = f"{path.parent.name}/{path.name}"
        try:
            done = pipeline.whole(data)
        except PhotoRefused as error:
            print(f"  {name}: refused. {error}")
            continue
        if not done.in_blocks:
            print(f"  {name}: decoded and encoded")
            continue
        found = compare(data, done)
        exact += found.outside == 0
        faces += len(done.faces)
        furthest = max(furthest, found.reach)
        if found.outside:
            print(f"  {name}: {found.outside} PIXELS DIFFER")
    print(f"  0 in {exact} photos with {faces} faces; no block further than {furthest} pixels from an area's edge")
