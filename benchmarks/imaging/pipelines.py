"""The three pipelines that are compared: ours as a worker runs it, deface, and what most apps do."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from pydantic import SecretStr

from benchmarks.imaging.photos import ROOT, Box
from loppestars_core.photos import PhotoOptions
from loppestars_imaging.cover.area import Area
from loppestars_imaging.detect.boxes import merge
from loppestars_imaging.detect.search import FaceSearch, resize
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.engine.process import Server
from loppestars_imaging.faces import Face, face_at
from loppestars_imaging.options import Shape
from loppestars_imaging.pipeline import Anonymised, Anonymiser
from loppestars_imaging.settings import ImagingSettings
from loppestars_imaging.worker.photo_job import task_of

_DEFACE_SCALE: Final = 1.3
_SIMPLE_SIDE, _SIMPLE_THRESHOLD, _SIMPLE_KERNEL = 640, 0.6, 31


@dataclass(frozen=True, slots=True)
class Output:
    """A processed photo, the boxes that were found, and the areas that were treated."""

    data: bytes
    boxes: list[Box]
    areas: list[Area]


Pipeline = Callable[[bytes], Output]


def worker_settings(**values: object) -> ImagingSettings:
    """Return the settings of a worker whose environment sets nothing but the necessary."""
    database = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    return ImagingSettings(database_url=database, storage_dir="unused", **values)  # type: ignore[arg-type]


class Ours:
    """The product: an engine's own server with a worker's default settings and a request's default options."""

    def __init__(self, threshold: float | None = None) -> None:
        settings = worker_settings()
        self.anonymiser = Anonymiser(YuNet(), limits=settings.limits)
        confidence = settings.min_confidence if threshold is None else threshold
        self._server = Server(self.anonymiser, settings.anonymise_style, confidence, settings.search_orientations)

    def whole(self, data: bytes) -> Anonymised:
        """Return everything that is known of the result."""
        return self._server.anonymise(task_of(PhotoOptions()), data)

    def __call__(self, data: bytes) -> Output:
        done = self.whole(data)
        return Output(done.data, [box_of(face) for face in done.faces], done.areas)


class Simple:
    """One detection at 640 pixels, a Gaussian of 31 pixels over what it finds, JPEG at quality 90."""

    def __init__(self) -> None:
        self._search = FaceSearch(YuNet())

    def __call__(self, data: bytes) -> Output:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        size = (picture.shape[1], picture.shape[0])
        small = resize(picture, _SIMPLE_SIDE)
        faces = merge(self._search.scan(small, size, _SIMPLE_SIDE, _SIMPLE_THRESHOLD))
        boxes = [box_of(face) for face in faces]
        for left, top, right, bottom in boxes:
            area = picture[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)]
            if area.size:
                area[:] = cv2.GaussianBlur(area, (_SIMPLE_KERNEL, _SIMPLE_KERNEL), 0)
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        return Output(data, boxes, [_area(face, Shape.BOX, 1.0) for face in faces])


class Deface:
    """deface 1.5 in its own environment, at its default settings."""

    def __init__(self, python: Path, folder: Path) -> None:
        script = ROOT / "benchmarks" / "imaging" / "peer_deface.py"
        self._process = subprocess.Popen(
            [str(python), str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._file = folder / "photo.jpg"
        self.peak = 0

    def __call__(self, data: bytes) -> Output:
        assert self._process.stdin is not None  # noqa: S101 - for mypy - pipes were asked for
        assert self._process.stdout is not None  # noqa: S101 - for mypy
        self._file.write_bytes(data)
        self._process.stdin.write(f"{self._file}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        self.peak = answer["peak_mib"]
        faces = [face_at(tuple(box), 1.0) for box in answer["boxes"]]
        areas = [_area(face, Shape.ELLIPSE, _DEFACE_SCALE) for face in faces]
        return Output(self._file.with_suffix(".deface.jpg").read_bytes(), [box_of(face) for face in faces], areas)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def box_of(face: Face) -> Box:
    return face.x, face.y, face.x + face.width, face.y + face.height


def _area(face: Face, shape: Shape, scale: float) -> Area:
    """Return an area `scale` times the box."""
    x, y = face.x + face.width / 2, face.y + face.height / 2
    return Area(x, y, face.width / 2 * scale, face.height / 2 * scale, shape)
