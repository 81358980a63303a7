"""Imaging beside deface and beside what most apps do, on the same photos, interleaved.

Prints recall, false positives, re-detection, time, memory and bytes. Needs the public photos in ../shared/images;
`make bench-imaging` prepares the second detector and deface, without them those columns are left out.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.imaging.collages import Box, Sample, collages, labelled
from benchmarks.imaging.matching import Score
from loppestars_imaging.detectors.base import Detector
from loppestars_imaging.detectors.boxes import merge
from loppestars_imaging.detectors.centerface import CenterFace
from loppestars_imaging.detectors.search import FaceSearch, resize
from loppestars_imaging.detectors.yunet import YuNet
from loppestars_imaging.errors import DetectorUnavailable
from loppestars_imaging.faces import faces_of
from loppestars_imaging.pipeline import Anonymiser

ROOT = Path(__file__).parents[1]
PHOTOS = ROOT.parent / "shared" / "images"
SIDES = (256, 320, 448, 576, 800, 1280, 1600)


class Ours:
    """The product's pipeline."""

    def __init__(self, threshold: float | None) -> None:
        self.pipeline = Anonymiser(YuNet())
        if threshold is not None:
            self.pipeline.search.detector.threshold = threshold

    def __call__(self, data: bytes) -> tuple[bytes, list[Box]]:
        done = self.pipeline.anonymise(data)
        return done.data, [(f.x, f.y, f.x + f.width, f.y + f.height) for f in done.faces]


class Simple:
    """One detection at 640 pixels, a Gaussian of 31 pixels over what it finds, JPEG at quality 90."""

    def __init__(self) -> None:
        self.search = FaceSearch(YuNet())

    def __call__(self, data: bytes) -> tuple[bytes, list[Box]]:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        size = (picture.shape[1], picture.shape[0])
        found = faces_of(merge(self.search.scan(resize(picture, 640), size, 640, 0.6)))
        boxes: list[Box] = [(f.x, f.y, f.x + f.width, f.y + f.height) for f in found]
        for left, top, right, bottom in boxes:
            area = picture[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)]
            if area.size:
                area[:] = cv2.GaussianBlur(area, (31, 31), 0)
        return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes(), boxes


class Deface:
    """deface 1.5 in its own environment, at its default settings."""

    def __init__(self, python: Path, folder: Path) -> None:
        script = ROOT / "benchmarks" / "imaging" / "peer_deface.py"
        command = [str(python), str(script)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._file = folder / "photo.jpg"
        self.peak = 0
        self.milliseconds = 0.0

    def __call__(self, data: bytes) -> tuple[bytes, list[Box]]:
        assert self._process.stdin is not None  # noqa: S101 - pipes were asked for
        assert self._process.stdout is not None  # noqa: S101
        self._file.write_bytes(data)
        self._process.stdin.write(f"{self._file}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        self.peak, self.milliseconds = answer["peak_mib"], answer["milliseconds"]
        return self._file.with_suffix(".deface.jpg").read_bytes(), [tuple(box) for box in answer["boxes"]]


Pipeline = Callable[[bytes], tuple[bytes, list[Box]]]


class Row:
    """What one pipeline did on all photos."""

    def __init__(self) -> None:
        self.score = Score()
        self.per_megapixel: list[float] = []
        self.bytes_ratio: list[float] = []
        self.seen = {"yunet": 0, "centerface": 0}


def redetected(data: bytes, faces: list[Box], detector: Detector, threshold: float, sides: tuple[int, ...]) -> int:
    """Count the treated faces that a detector still sees at any scale."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    size, search = (picture.shape[1], picture.shape[0]), FaceSearch(detector)
    boxes = np.concatenate([search.scan(picture, size, side, threshold) for side in sides])
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    wide = boxes[:, 2] - boxes[:, 0]
    hits = 0
    for left, top, right, bottom in faces:
        inside = (x > left) & (x < right) & (y > top) & (y < bottom)
        hits += bool((inside & (wide > 0.4 * (right - left)) & (wide < 2.5 * (right - left))).any())
    return hits


def measure(samples: list[Sample], pipelines: dict[str, Pipeline], second: Detector | None) -> dict[str, Row]:
    """Run every pipeline on every photo, one after the other."""
    rows = {name: Row() for name in pipelines}
    own = YuNet()
    for sample in samples:
        for name, pipeline in pipelines.items():
            started = time.perf_counter()
            result, boxes = pipeline(sample.data)
            milliseconds = (time.perf_counter() - started) * 1000
            row = rows[name]
            row.score.add(boxes, sample.faces, sample.ignored)
            row.per_megapixel.append(milliseconds / (sample.size[0] * sample.size[1] / 1e6))
            row.bytes_ratio.append(len(result) / len(sample.data))
            row.seen["yunet"] += redetected(result, boxes, own, own.threshold, SIDES)
            if second is not None:
                row.seen["centerface"] += redetected(result, boxes, second, 0.5, (448, 800, 1280))
    return rows


def print_rows(title: str, rows: dict[str, Row]) -> None:
    """Print the table."""
    print(f"\n{title}")
    print("pipeline   photos faces recall precision false/photo still seen (own / 2nd family) ms/MP bytes")
    for name, row in rows.items():
        score, treated = row.score, max(1, row.score.found + row.score.false)
        print(
            f"{name:<10} {score.photos:6} {score.faces:5} {score.recall:6.3f} {score.precision:9.3f} "
            f"{score.false / score.photos:11.2f} {row.seen['yunet'] / treated:10.1%} / "
            f"{row.seen['centerface'] / treated:6.1%}"
            f"      {statistics.median(row.per_megapixel):10.1f} "
            f"{statistics.median(row.bytes_ratio):6.2f}"
        )


def print_twelve_megapixels(pipelines: dict[str, Pipeline], rounds: int) -> None:
    """Time a 12-megapixel JPEG beside libjpeg-turbo's decode and encode of it, interleaved, medians."""
    source = cv2.imread(str(PHOTOS / "dlib/bald_guys.jpg"))
    picture = cv2.resize(source, (4000, 3000), interpolation=cv2.INTER_CUBIC)
    data = simplejpeg.encode_jpeg(picture, quality=90, colorspace="BGR", colorsubsampling="420")
    times: dict[str, list[float]] = {"libjpeg-turbo": [], **{name: [] for name in pipelines}}
    for number in range(rounds):
        started = time.perf_counter()
        pixels = simplejpeg.decode_jpeg(data, "BGR")
        simplejpeg.encode_jpeg(pixels, quality=90, colorspace="BGR", colorsubsampling="420")
        times["libjpeg-turbo"].append(time.perf_counter() - started)
        for name, pipeline in pipelines.items():
            if name == "deface" and number > 1:
                continue
            started = time.perf_counter()
            pipeline(data)
            times[name].append(time.perf_counter() - started)
    base = statistics.median(times["libjpeg-turbo"])
    print("\n12 megapixels, 24 faces")
    for name, found in times.items():
        print(f"{name:<14} {statistics.median(found) * 1000:8.1f} ms  {statistics.median(found) / base:6.2f} x")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=("tuning", "held"), default="held")
    parser.add_argument("--collages", type=int, default=40)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--deface", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    options = parser.parse_args()
    if not PHOTOS.is_dir():
        print("The public photos (../shared/images) are not here: nothing to measure.")
        return
    cv2.setNumThreads(1)
    half = 0 if options.half == "tuning" else 1
    samples = [*labelled(PHOTOS, half), *collages(PHOTOS, half, options.collages)]
    pipelines: dict[str, Pipeline] = {"ours": Ours(options.threshold), "simple": Simple()}
    try:
        second: Detector | None = CenterFace()
    except DetectorUnavailable as error:
        print(f"Left out: re-detection by a second family. {error}")
        second = None
    with tempfile.TemporaryDirectory() as folder:
        if options.deface.exists():
            pipelines["deface"] = Deface(options.deface, Path(folder))
        else:
            print(f"Left out: deface ({options.deface} is not there; `make bench-imaging` makes it).")
        print_twelve_megapixels(pipelines, options.rounds)
        print(f"peak memory so far: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB (both pipelines)")
        print_rows(f"{options.half} half", measure(samples, pipelines, second))
        peer = pipelines.get("deface")
        if isinstance(peer, Deface):
            print(f"deface's peak memory: {peer.peak} MiB")


if __name__ == "__main__":
    main()
