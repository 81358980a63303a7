"""Photos of people, from bytes to bytes: every face is covered, in every format, at every published size."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from loppestars_imaging.options import Options, Style
from loppestars_imaging.pipeline import Anonymised, Anonymiser, published_size


def saved(people: Path, kind: str) -> bytes:
    if kind == "JPEG":
        return (people / "city.jpg").read_bytes()
    target = io.BytesIO()
    with Image.open(people / "city.jpg") as image:
        image.save(target, kind)
    return target.getvalue()


def gray(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L")).astype(np.float32)


def detail(picture: np.ndarray, box: tuple[float, ...]) -> float:
    """How much fine detail the middle of a box has."""
    left, top, right, bottom = box
    across, down = (right - left) * 0.15, (bottom - top) * 0.15
    part = picture[round(top + down) : round(bottom - down), round(left + across) : round(right - across)]
    return float(np.abs(part - cv2.GaussianBlur(part, (0, 0), 2)).mean())


def uncovered(people: Path, before: bytes, done: Anonymised) -> list[tuple[float, ...]]:
    """Return the labelled faces of which detail is left."""
    old, new = gray(before), gray(done.data)
    truth = json.loads((people / "faces.json").read_text())["city.jpg"]
    assert len(truth) == 18
    assert min(detail(old, box) for box in truth) > 4
    return [box for box in truth if detail(new, box) > 0.6 * detail(old, box)]


class TestEveryFace:
    @pytest.mark.parametrize("style", list(Style))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_crowd(self, anonymiser: Anonymiser, people: Path, kind: str, style: Style) -> None:
        """All eighteen people of a street scene, whatever format and style."""
        before = saved(people, kind)
        done = anonymiser.anonymise(before, Options(style=style), jpeg_only=False)
        assert done.format == kind.lower()
        assert len(uncovered(people, before, done)) <= 1

    def test_one_look(self, anonymiser: Anonymiser, people: Path) -> None:
        """The same photo looks the same as a JPEG, edited in its blocks, and as a PNG."""
        pictures = [gray(anonymiser.anonymise(saved(people, kind), jpeg_only=False).data) for kind in ("JPEG", "PNG")]
        assert np.abs(pictures[0] - pictures[1]).mean() < 1


class TestPublishedSize:
    @pytest.mark.parametrize(
        ("size", "max_side", "published"),
        [
            ((4032, 3024), 2048, (2016, 1512)),
            ((3024, 4032), 2048, (1512, 2016)),
            ((4032, 3024), 0, (4032, 3024)),
            ((2048, 1000), 2048, (2048, 1000)),
            ((4500, 3000), 2048, (2048, 1365)),
            ((65500, 700), 2048, (2048, 22)),
        ],
    )
    def test_longest_side(self, size: tuple[int, int], max_side: int, published: tuple[int, int]) -> None:
        """Nearly the longest side that is allowed; what libjpeg decodes directly where that is close."""
        assert published_size(size, max_side) == published

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_smaller(self, anonymiser: Anonymiser, people: Path, kind: str) -> None:
        """A photo that shrinks is searched as it is published; boxes are in pixels of the original."""
        done = anonymiser.anonymise(saved(people, kind), Options(max_side=600))
        assert max(done.width, done.height) == 600
        assert done.scale == 0.75
        assert not done.in_blocks
        truth = json.loads((people / "faces.json").read_text())["city.jpg"]
        tall = [box for box in truth if (box[3] - box[1]) * done.scale >= 20]
        centres = [(face.x + face.width / 2, face.y + face.height / 2) for face in done.faces]
        for left, top, right, bottom in tall:
            assert any(left < x < right and top < y < bottom for x, y in centres)

    def test_same_size_stays_exact(self, anonymiser: Anonymiser, people: Path) -> None:
        """A photo that is not larger than allowed is edited in its blocks."""
        done = anonymiser.anonymise(saved(people, "JPEG"), Options(max_side=800))
        assert (done.in_blocks, done.scale) == (True, 1.0)
