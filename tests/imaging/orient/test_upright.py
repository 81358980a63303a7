"""Photos that lie on their side although nothing in the file says so."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.faces import Face
from loppestars_imaging.options import Options, Orientations, Style
from loppestars_imaging.orient.upright import find_faces
from loppestars_imaging.pipeline import Anonymiser
from loppestars_jpeg.orientation import TURNS

GROUP = "dlib/2008_002506.jpg"


def turned_jpeg(path: Path, orientation: int) -> bytes:
    """The photo's pixels turned, with no word of it in the file."""
    with Image.open(path) as image:
        pixels = TURNS[orientation].pixels(np.asarray(image.convert("RGB")))
    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(target, "JPEG", quality=92)
    return target.getvalue()


def wanting(orientations: Orientations) -> Options:
    return Options(min_confidence=0.5, orientations=orientations)


class TestPhotos:
    @pytest.mark.parametrize("orientation", [3, 6, 8])
    def test_lying_photos(self, anonymiser: Anonymiser, photos: Path, orientation: int) -> None:
        """All faces of a photo on its side are covered, where they are in it."""
        upright = anonymiser.anonymise((photos / GROUP).read_bytes(), wanting(Orientations.AUTO))
        done = anonymiser.anonymise(turned_jpeg(photos / GROUP, orientation), wanting(Orientations.AUTO))
        turn = TURNS[{3: 3, 6: 8, 8: 6}[orientation]]
        for face in upright.faces:
            left, top, right, bottom = face.before(turn, upright.width, upright.height).box
            x, y = (left + right) / 2, (top + bottom) / 2
            assert any(abs(area.x - x) < area.rx / 2 and abs(area.y - y) < area.ry / 2 for area in done.areas)

    def test_boxes_are_in_pixels_of_the_photo_as_it_is(self, anonymiser: Anonymiser, photos: Path) -> None:
        """The photo is not turned: its own pixels keep their place, and boxes lie where the faces are in it."""
        upright = anonymiser.anonymise((photos / GROUP).read_bytes(), wanting(Orientations.AUTO))
        lying = anonymiser.anonymise(turned_jpeg(photos / GROUP, 6), wanting(Orientations.AUTO))
        assert (lying.width, lying.height) == (upright.height, upright.width)
        for face in upright.faces:
            x, y = upright.height - (face.y + face.height / 2), face.x + face.width / 2
            assert any(f.x < x < f.x + f.width and f.y < y < f.y + f.height for f in lying.faces)

    def test_an_upright_photo_costs_nothing_more(self, photos: Path) -> None:
        """One clear face, and the other orientations are not even tried."""
        detector = CountingYuNet()
        picture = cv2.imread(str(photos / GROUP))
        size = (picture.shape[1], picture.shape[0])
        counts = {}
        for orientations in Orientations:
            detector.calls = 0
            find_faces(FaceSearch(detector), picture, size, wanting(orientations))
            counts[orientations] = detector.calls
        assert counts[Orientations.AUTO] == counts[Orientations.NEVER]
        # Three searches more; what looks like faces differs between them, so closer looks do, too.
        assert counts[Orientations.ALWAYS] > 3 * counts[Orientations.NEVER]

    def test_never_is_obeyed(self, photos: Path) -> None:
        """Who knows that photos are upright saves the time."""
        detector = CountingYuNet()
        picture = np.ascontiguousarray(TURNS[6].pixels(cv2.imread(str(photos / GROUP))))
        size = (picture.shape[1], picture.shape[0])
        counts = []
        for orientations in (Orientations.NEVER, Orientations.AUTO):
            detector.calls = 0
            find_faces(FaceSearch(detector), picture, size, wanting(orientations))
            counts.append(detector.calls)
        assert counts[1] > 2 * counts[0]

    def test_one_who_lies_among_others_who_stand(self, anonymiser: Anonymiser, photos: Path) -> None:
        """With `always`, both are found."""
        with Image.open(photos / GROUP) as image:
            standing = np.asarray(image.convert("RGB"))
        pixels = np.zeros((standing.shape[1], standing.shape[1] + standing.shape[0], 3), np.uint8)
        pixels[: standing.shape[0], : standing.shape[1]] = standing
        pixels[:, standing.shape[1] :] = TURNS[6].pixels(standing)
        target = io.BytesIO()
        Image.fromarray(pixels).save(target, "JPEG", quality=95)
        found = anonymiser.anonymise(target.getvalue(), wanting(Orientations.ALWAYS)).faces
        assert sum(face.x < standing.shape[1] for face in found) >= 3
        assert sum(face.x > standing.shape[1] for face in found) >= 3

    def test_other_styles_and_formats(self, anonymiser: Anonymiser, photos: Path) -> None:
        """A sideways PNG is covered in its pixels as a JPEG is in its blocks."""
        data = turned_jpeg(photos / GROUP, 8)
        with Image.open(io.BytesIO(data)) as image:
            target = io.BytesIO()
            image.save(target, "PNG")
        done = anonymiser.anonymise(target.getvalue(), Options(style=Style.SOLID), jpeg_only=False)
        assert len(done.faces) >= 3


class CountingYuNet(YuNet):
    """Counts how often the network runs."""

    calls = 0

    def detect(self, picture: np.ndarray, threshold: float) -> np.ndarray:
        """Count, and detect."""
        self.calls += 1
        return super().detect(picture, threshold)


class TestGeometry:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_faces_go_back_to_where_they_came_from(self, orientation: int) -> None:
        """A marked pixel of the turned picture and its box come back to the same place."""
        turn = TURNS[orientation]
        stored = np.zeros((40, 60), np.uint8)
        stored[5:15, 20:26] = 1
        turned = turn.pixels(stored)
        rows, columns = np.nonzero(turned)
        size = (turned.shape[1], turned.shape[0])
        face = Face(columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1, 0.9)
        back = face.before(turn, *size)
        assert (back.x, back.y, back.width, back.height) == (20, 5, 6, 10)
