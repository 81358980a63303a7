"""Detectors, the search over scales, and where the weights come from."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from loppestars_imaging.detect import yunet
from loppestars_imaging.detect.boxes import NO_BOXES, merge
from loppestars_imaging.detect.network import Session
from loppestars_imaging.detect.onnx_graph import free_size
from loppestars_imaging.detect.onnx_session import OnnxSession
from loppestars_imaging.detect.openvino_session import OpenVinoSession
from loppestars_imaging.detect.runtime import uses_openvino
from loppestars_imaging.detect.scales import ScalePlan, Shape, crowd_side, sides, tiles
from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.detect.weights import YUNET_S, Weights
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.errors import DetectionFailed, DetectorUnavailable, ImagingError
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


class TestWeights:
    def test_the_pinned_file_is_found(self) -> None:
        """The package that carries the weights is part of the environment."""
        assert len(YUNET_S.read()) > 200_000

    def test_a_missing_package_names_the_remedy(self) -> None:
        """Not ready, and what to install."""
        with pytest.raises(DetectorUnavailable, match=r"requirements/models\.txt"):
            replace(YUNET_S, distribution="no-such-distribution").read()

    def test_other_bytes_are_refused(self) -> None:
        """A file that is not the pinned one is never loaded."""
        with pytest.raises(DetectorUnavailable, match="not the pinned ones"):
            replace(YUNET_S, sha256="0" * 64).read()

    @pytest.mark.parametrize("runtime", [OnnxSession, OpenVinoSession])
    def test_weights_that_are_no_model(self, runtime: Callable[[bytes], Session]) -> None:
        """Bytes that a runtime cannot open are a missing detector, not a crash."""
        with pytest.raises(DetectorUnavailable):
            runtime(b"not a model")


class TestGraphEdit:
    def test_the_model_takes_any_size_and_gives_what_is_read(self) -> None:
        """Fixed sizes and unread outputs are gone."""
        session = OnnxSession(free_size(YUNET_S.read(), ("cls_8", "bbox_8")))
        assert session.outputs == ["cls_8", "bbox_8"]
        outputs = session.run(np.zeros((96, 160, 3), np.uint8))
        assert outputs["cls_8"].shape == (1, 12 * 20, 1)

    def test_a_cut_model_is_an_error(self) -> None:
        """The editor notices a truncated file."""
        with pytest.raises((ValueError, IndexError)):
            free_size(YUNET_S.read()[:1000], ("cls_8",))


class TestRuntimes:
    def test_the_runtime_follows_from_the_cpu(self) -> None:
        """OpenVINO where there are tiles of bfloat16 and it is installed, else onnxruntime."""
        assert uses_openvino(frozenset({"avx512f", "amx_bf16"}), installed=True)
        assert not uses_openvino(frozenset({"avx512f", "avx512_bf16"}), installed=True)
        assert not uses_openvino(frozenset({"amx_bf16"}), installed=False)

    def test_engines_share_no_core(self) -> None:
        """The runtime binds no thread to a core: those of all engines on a machine would be bound to the same."""
        session = OpenVinoSession(free_size(YUNET_S.read(), ("cls_8",)))
        session.run(np.zeros((64, 64, 3), np.uint8))
        (request,) = session._requests.values()
        assert request.get_compiled_model().get_property("ENABLE_CPU_PINNING") is False

    def test_nobody_is_told(self) -> None:
        """OpenVINO's telemetry is not loaded, also where no CI switches it off."""
        code = (
            "import sys; import loppestars_imaging.detect.openvino_session; from openvino.tools.ovc import utils; "
            "print(sys.modules['openvino_telemetry'], utils.tm.__name__)"
        )
        environment = {name: text for name, text in os.environ.items() if name not in {"CI", "GITHUB_ACTIONS"}}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["None", "openvino.tools.ovc.telemetry_stub"]

    def test_both_see_the_same(self, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same faces at the same places, to within what bfloat16 rounds, whatever the CPU computes it with."""
        picture = cv2.imread(str(photos / "dlib/2008_002506.jpg"))
        found = []
        for runtime in (OnnxSession, OpenVinoSession):
            monkeypatch.setattr(yunet, "open_session", runtime)
            found.append(FaceSearch(YuNet()).find(picture, (500, 375)))
        one, other = (sorted(faces, key=lambda face: face.x) for faces in found)
        assert len(one) == len(other) >= 3
        for a, b in zip(one, other, strict=True):
            assert overlap(a, [b.x, b.y, b.x + b.width, b.y + b.height]) > 0.8
            assert a.score == pytest.approx(b.score, abs=0.05)


class TestYuNet:
    def test_known_faces_are_found(self, photos: Path) -> None:
        """Every labelled face of six group photos, and nearly all of a street scene."""
        search = FaceSearch(YuNet())
        labels = json.loads((photos / "faces.json").read_text())
        found = total = 0
        for name, truth in labels.items():
            picture = cv2.imread(str(photos / name))
            faces = search.find(picture, (picture.shape[1], picture.shape[0]))
            total += len(truth["faces_xyxy"])
            found += sum(any(overlap(face, box) > 0.4 for face in faces) for box in truth["faces_xyxy"])
        assert total == 45
        assert found >= 43

    def test_no_faces_in_a_photo_without_any(self, photos: Path) -> None:
        """Leaves and walls are no faces."""
        picture = cv2.imread(str(photos / "thumbor/no_face.jpg"))
        assert FaceSearch(YuNet()).find(picture, (640, 480)) == []


def overlap(face: Face, box: list[float]) -> float:
    width = min(face.x + face.width, box[2]) - max(face.x, box[0])
    height = min(face.y + face.height, box[3]) - max(face.y, box[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = face.width * face.height + (box[2] - box[0]) * (box[3] - box[1]) - width * height
    return width * height / union


class TestScales:
    @pytest.mark.parametrize(("width", "height"), [(4000, 3000), (500, 375), (32, 32), (1, 1), (940, 2), (8000, 600)])
    def test_tiles_cover_every_pixel(self, width: int, height: int) -> None:
        """No strip is left out, tiles overlap, and their sides suit the network."""
        plan = ScalePlan()
        covered = np.zeros((height, width), np.bool_)
        for tile in tiles(width, height, plan):
            assert tile.width % 32 == tile.height % 32 == 0
            assert Shape(tile.width, tile.height) in plan.shapes
            covered[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] = True
        assert covered.all()

    def test_small_photos_are_enlarged_within_bounds(self) -> None:
        """A thumbnail is not blown up to the full side."""
        plan = ScalePlan()
        assert sides(100, 80, plan)[0] == round(100 * plan.max_enlargement)
        assert sides(4000, 3000, plan) == [plan.fine_side, plan.coarse_side]
        assert sides(100, 80, plan)[1] == round(100 * plan.coarse_enlargement)

    def test_noise_between_pixels_does_not_hide_a_face(self) -> None:
        """Found by fuzzing: a damaged table combs every block, and enlarged threefold nothing looks like a face."""
        data = (Path(__file__).parent / "seeds" / "combed-face.jpg").read_bytes()
        (face,) = Anonymiser(YuNet()).anonymise(data).faces
        assert abs(face.x + face.width / 2 - 62) < 8
        assert abs(face.y + face.height / 2 - 56) < 8

    def test_a_request_can_only_ask_for_finer(self) -> None:
        """`downscaleForDetection` below our own side has no effect."""
        assert sides(4000, 3000, ScalePlan(), 200) == sides(4000, 3000, ScalePlan())
        assert sides(4000, 3000, ScalePlan(), 2000)[0] == 2000

    def test_crowds_are_searched_more_finely(self) -> None:
        """Within what a small photo can be enlarged, and only where that is much finer than what was searched."""
        plan = ScalePlan()
        assert crowd_side(4000, 3000, plan, 1600) == plan.crowd_side
        assert crowd_side(500, 375, plan, 1500) == 500 * plan.crowd_enlargement
        assert crowd_side(4000, 3000, plan, plan.crowd_side) is None


class TestMerging:
    def test_one_face_at_two_scales_is_one(self) -> None:
        """The better score stays."""
        (face,) = merge(boxes((0, 0, 100, 100, 0.8), (5, 5, 104, 103, 0.9)))
        assert face.box == (5, 5, 104, 103)
        assert face.extent == (0, 0, 104, 103)

    def test_a_fragment_inside_a_face_is_no_second_face(self) -> None:
        """What a fine scale sees of a close-up is dropped."""
        assert len(merge(boxes((0, 0, 400, 400, 0.9), (100, 100, 180, 180, 0.7)))) == 1

    def test_a_much_larger_face_is_not_lost(self) -> None:
        """A fragment that scores higher than the close-up around it does not stand for it."""
        assert len(merge(boxes((0, 0, 400, 400, 0.7), (100, 100, 180, 180, 0.9)))) == 2

    def test_neighbours_stay(self) -> None:
        """Heads close together are two faces."""
        assert len(merge(boxes((0, 0, 100, 120, 0.9), (70, 0, 170, 120, 0.8)))) == 2

    def test_nothing_found(self) -> None:
        """No boxes in, no boxes out."""
        assert len(merge(NO_BOXES)) == 0


class TestExchange:
    def test_any_detector_fits(self) -> None:
        """Boxes come back in pixels of the photo, whatever it was scaled to."""
        detector: Detector = FixedDetector(boxes((16, 16, 48, 48, 0.9)))
        plan = ScalePlan(fine_side=320, coarse_side=320)
        faces = FaceSearch(detector, plan).find(np.zeros((120, 160, 3), np.uint8), (640, 480))
        assert [(f.x, f.y, f.width, f.height) for f in faces] == [(32, 32, 64, 64)]

    @pytest.mark.parametrize(("size", "scans"), [(60.0, 2), (20.0, 3)])
    def test_small_faces_call_for_a_finer_scale(self, size: float, scans: int) -> None:
        """Where the finest scale shows a small face there may be smaller ones; where it does not, no time is spent."""
        detector = FixedDetector(boxes((16, 16, 16 + size, 16 + size, 0.9)))
        plan = ScalePlan(fine_side=320, coarse_side=160, crowd_side=640, shapes=(Shape(640, 640),))
        FaceSearch(detector, plan).find(np.zeros((120, 160, 3), np.uint8), (640, 480))
        assert len(detector.seen) == scans

    def test_boxes_cut_by_an_inner_border_are_left_to_the_next_tile(self) -> None:
        """Halves of a face at a seam are not faces of their own."""
        detector = FixedDetector(boxes((10, 10, 40, 40, 0.9), (0, 100, 30, 130, 0.9)))
        plan = ScalePlan(fine_side=1280, coarse_side=1280, shapes=(Shape(480, 320),))
        found = FaceSearch(detector, plan).scan(np.zeros((320, 1280, 3), np.uint8), (1280, 320), 1280, 0.5)
        assert len(detector.seen) == 3
        assert sum(1 for box in found if box[1] == 100) == 1

    def test_values_that_are_no_numbers_fail_closed(self, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A detector that answers nonsense publishes nothing."""
        monkeypatch.setattr(yunet, "open_session", OnnxSession)
        detector = YuNet()

        class Nonsense:
            def run(self, names: list[str], _: object) -> list[np.ndarray]:
                return [np.full((1, 1, 1), np.nan, np.float32) for _ in names]

        monkeypatch.setattr(detector._session, "_session", Nonsense())
        with pytest.raises(DetectionFailed) as failure:
            Anonymiser(detector).anonymise((photos / "pillow/hopper.jpg").read_bytes())
        assert isinstance(failure.value, ImagingError)


def test_weights_are_plain_values() -> None:
    """A second detector is one more of these and one module."""
    assert Weights("a", "b", "c", "d").distribution == "a"
