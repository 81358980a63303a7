"""The search over scales: every face of twenty pixels and more, whatever the photo's size and shape."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from benchmarks.imaging.matching import overlap
from loppestars_imaging.detect import yunet
from loppestars_imaging.detect.onnx_session import OnnxSession
from loppestars_imaging.detect.scales import ScalePlan, Shape
from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.errors import DetectionFailed, ImagingError
from loppestars_imaging.faces import Bgr, Boxes, Face
from loppestars_imaging.pipeline import Anonymiser

if TYPE_CHECKING:
    from loppestars_imaging.detect.base import Detector


def boxes(*rows: tuple[float, ...]) -> Boxes:
    return np.array(rows, np.float32).reshape(-1, 5)


class FixedDetector:
    """A detector that always finds the same boxes: the interface is all the search knows."""

    name = "fixed"
    stride = 32
    threshold = 0.5

    def __init__(self, found: Boxes) -> None:
        self.found = found
        self.seen: list[tuple[int, ...]] = []

    def detect(self, picture: Bgr, threshold: float) -> Boxes:
        """Remember the size asked for."""
        self.seen.append(picture.shape)
        return self.found[self.found[:, 4] >= threshold]


def truth_of(people: Path) -> list[list[float]]:
    return json.loads((people / "faces.json").read_text())["city.jpg"]


def found(faces: list[Face], truth: list[list[float]], left: int = 0, top: int = 0) -> int:
    """Count the labelled faces that were found, in a photo that shows them moved by (left, top)."""
    moved = [(box[0] + left, box[1] + top, box[2] + left, box[3] + top) for box in truth]
    return sum(any(overlap(face.box, box) > 0.35 for face in faces) for box in moved)


class TestOwnScale:
    """The crowd of `city.jpg` has faces of 20 to 34 pixels."""

    @pytest.mark.parametrize("size", [(4000, 3000), (16000, 640)])
    def test_large_photos(self, people: Path, size: tuple[int, int]) -> None:
        """A crowd in the corner of a large photo is found as it is in a small one, and nothing else."""
        width, height = size
        crowd = cv2.imread(str(people / "city.jpg"))
        photo = np.full((height, width, 3), 90, np.uint8)
        photo[:, :, 0] = np.linspace(40, 200, width).astype(np.uint8)
        left, top = width - crowd.shape[1] - 70, height - crowd.shape[0] - 9
        photo[top : top + crowd.shape[0], left : left + crowd.shape[1]] = crowd
        faces = FaceSearch(YuNet()).find(photo, size)
        truth = truth_of(people)
        assert found(faces, truth, left, top) >= len(truth) - 2
        assert len(faces) <= len(truth) + 5

    def test_close_up(self, people: Path) -> None:
        """A face that fills a large photo is one face."""
        photo = cv2.resize(
            cv2.imread(str(people / "hopper.jpg"))[:96, 20:116], (3000, 3000), interpolation=cv2.INTER_CUBIC
        )
        (face,) = FaceSearch(YuNet()).find(photo, (3000, 3000))
        assert face.width > 1000


class TestYuNet:
    def test_crowd(self, people: Path) -> None:
        """Nearly every labelled face of a street scene."""
        picture = cv2.imread(str(people / "city.jpg"))
        truth = truth_of(people)
        assert found(FaceSearch(YuNet()).find(picture, (800, 564)), truth) >= len(truth) - 1

    def test_known_faces_are_found(self, photos: Path) -> None:
        """Every labelled face of six group photos, and nearly all of a street scene."""
        search = FaceSearch(YuNet())
        labels = json.loads((photos / "faces.json").read_text())
        found = total = 0
        for name, truth in labels.items():
            picture = cv2.imread(str(photos / name))
            faces = search.find(picture, (picture.shape[1], picture.shape[0]))
            total += len(truth["faces_xyxy"])
            found += sum(any(overlap(face.box, tuple(box)) > 0.35 for face in faces) for box in truth["faces_xyxy"])
        assert total == 45
        assert found >= 43

    def test_no_faces_in_a_photo_without_any(self, photos: Path) -> None:
        """Leaves and walls are no faces."""
        picture = cv2.imread(str(photos / "thumbor/no_face.jpg"))
        assert FaceSearch(YuNet()).find(picture, (640, 480)) == []

    def test_noise_between_pixels_does_not_hide_a_face(self) -> None:
        """Found by fuzzing: a damaged table combs every block, and enlarged threefold nothing looks like a face."""
        data = (Path(__file__).parents[1] / "seeds" / "combed-face.jpg").read_bytes()
        (face,) = Anonymiser(YuNet()).anonymise(data).faces
        assert abs(face.x + face.width / 2 - 62) < 8
        assert abs(face.y + face.height / 2 - 56) < 8


class TestExchange:
    def test_any_detector_fits(self) -> None:
        """Boxes come back in pixels of the photo, whatever it was scaled to."""
        detector: Detector = FixedDetector(boxes((16, 16, 48, 48, 0.9)))
        plan = ScalePlan(fine_side=640, coarse_side=1280)
        faces = FaceSearch(detector, plan).find(np.zeros((240, 320, 3), np.uint8), (320, 240))
        assert faces[0].box == (8, 8, 24, 24)

    @pytest.mark.parametrize(("size", "scans"), [(60.0, 2), (20.0, 3)])
    def test_small_faces(self, size: float, scans: int) -> None:
        """Where an enlarged photo shows a small face there may be smaller ones."""
        detector = FixedDetector(boxes((16, 16, 16 + size, 16 + size, 0.9)))
        plan = ScalePlan(fine_side=320, coarse_side=100, min_coarse_side=64, crowd_side=640, shapes=(Shape(640, 640),))
        FaceSearch(detector, plan).find(np.zeros((120, 160, 3), np.uint8), (160, 120))
        assert len(detector.seen) == scans

    def test_boxes_cut_by_an_inner_border_are_left_to_the_next_tile(self) -> None:
        """Halves of a face at a seam are not faces of their own."""
        detector = FixedDetector(boxes((10, 10, 40, 40, 0.9), (0, 100, 30, 130, 0.9)))
        plan = ScalePlan(fine_side=1280, coarse_side=1280, shapes=(Shape(480, 320),))
        found = FaceSearch(detector, plan).scan(np.zeros((320, 1280, 3), np.uint8), (1280, 320), 1280, 0.5)
        assert len(detector.seen) == 3
        assert sum(1 for box in found if box[1] == 100) == 1

    def test_values_that_are_no_numbers_fail_closed(self, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A detector that answers nonsense publishes nothing."""
        monkeypatch.setattr(yunet, "open_session", OnnxSession)
        detector = YuNet()

        class Nonsense:
            def run(self, names: list[str], _: object) -> list[np.ndarray]:
                return [np.full((1, 1, 1), np.nan, np.float32) for _ in names]

        monkeypatch.setattr(detector._session, "_session", Nonsense())
        with pytest.raises(DetectionFailed) as failure:
            Anonymiser(detector).anonymise((people / "hopper.jpg").read_bytes())
        assert isinstance(failure.value, ImagingError)
