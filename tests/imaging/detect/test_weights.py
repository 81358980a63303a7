"""Where the weights come from."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from loppestars_imaging.detect.network import Session
from loppestars_imaging.detect.onnx_graph import free_size
from loppestars_imaging.detect.onnx_session import OnnxSession
from loppestars_imaging.detect.openvino_session import OpenVinoSession
from loppestars_imaging.detect.weights import YUNET_S
from loppestars_imaging.detect.yunet import OUTPUTS
from loppestars_imaging.errors import DetectorUnavailable


class TestWeights:
    def test_the_pinned_file_is_found(self) -> None:
        """The package that carries the weights is part of the environment."""
        assert len(YUNET_S.read()) > 200_000

    def test_a_missing_package_names_the_remedy(self) -> None:
        """Not ready, and what to install."""
        with pytest.raises(DetectorUnavailable, match=re.escape(YUNET_S.install)):
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
    def test_the_result_is_pinned(self) -> None:
        """What runs is what was compared with the edit of the package `onnx`, byte for byte (decision 0028)."""
        model = free_size(YUNET_S.read(), OUTPUTS)
        assert hashlib.sha256(model).hexdigest() == "1f869ca0841e20498e0555969ace0b79aedb0ef63eea2ed0d8cf9431c663e2b1"

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
