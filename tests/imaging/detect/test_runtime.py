"""The runtimes that the network runs in."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.imaging.matching import overlap
from loppestars_imaging.detect import yunet
from loppestars_imaging.detect.onnx_graph import free_size
from loppestars_imaging.detect.onnx_session import OnnxSession
from loppestars_imaging.detect.openvino_session import OpenVinoSession
from loppestars_imaging.detect.runtime import uses_openvino
from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.detect.weights import YUNET_S
from loppestars_imaging.detect.yunet import YuNet


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

    def test_both_see_the_same(self, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same faces at the same places, to within what bfloat16 rounds, whatever the CPU computes it with."""
        picture = cv2.imread(str(people / "city.jpg"))
        found = []
        for runtime in (OnnxSession, OpenVinoSession):
            monkeypatch.setattr(yunet, "open_session", runtime)
            found.append(FaceSearch(YuNet()).find(picture, (800, 564)))
        for faces, others in (found, reversed(found)):
            # Below, a closer look decides, and what is rounded may take a place over its thresholds.
            clear = [face for face in faces if face.score > 0.75]
            assert len(clear) >= 15
            for face in clear:
                same = max(others, key=lambda other: overlap(face.box, other.box))
                assert overlap(face.box, same.box) > 0.7
                assert same.score == pytest.approx(face.score, abs=0.1)
