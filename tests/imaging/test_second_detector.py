"""Detectors are exchangeable: the pipeline with CenterFace, another family with another kind of output."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.imaging.centerface import CenterFace
from benchmarks.imaging.matching import overlap
from benchmarks.imaging.pipelines import box_of
from loppestars_imaging.detect.base import Detector
from loppestars_imaging.errors import DetectorUnavailable
from loppestars_imaging.pipeline import Anonymiser

GROUP = "dlib/2008_002506.jpg"


@pytest.fixture(scope="module")
def second() -> Detector:
    """The other detector; its weights are installed with the development environment."""
    try:
        return CenterFace()
    except DetectorUnavailable as error:
        pytest.skip(str(error))


class TestSecondDetector:
    """Detectors are exchangeable: the pipeline with CenterFace, another family with another kind of output."""

    def test_the_pipeline_works_with_either(self, photos: Path, anonymiser: Anonymiser, second: Detector) -> None:
        """The same faces are found and covered, and the rest of the photo stays."""
        data = (photos / GROUP).read_bytes()
        truth = json.loads((photos / "faces.json").read_text())[GROUP]["faces_xyxy"]
        for pipeline in (anonymiser, Anonymiser(second)):
            done = pipeline.anonymise(data)
            found = [box_of(face) for face in done.faces]
            assert all(any(overlap(box, tuple(face)) > 0.35 for box in found) for face in truth)
            assert done.in_blocks

    def test_its_boxes_are_in_pixels_of_the_picture(self, photos: Path, second: Detector) -> None:
        """Scores from 0 to 1, best above the threshold, boxes inside of what was shown."""
        picture = cv2.resize(cv2.imread(str(photos / GROUP)), (512, 384))
        boxes = second.detect(np.asarray(picture, dtype=np.uint8), second.threshold)
        assert len(boxes) >= 3
        assert ((boxes[:, 4] >= second.threshold) & (boxes[:, 4] <= 1)).all()
        assert (boxes[:, 2] > boxes[:, 0]).all()
        assert (boxes[:, [0, 1]].min() > -20) & (boxes[:, 2].max() < 532) & (boxes[:, 3].max() < 404)
