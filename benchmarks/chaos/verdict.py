"""What is left when the faults are over: each photo once, covered, at the address that was given."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import cv2
import numpy as np

from benchmarks.chaos.faults import LISTS, PHOTOS, Platform, Window
from benchmarks.chaos.honest import Honest, Sample, photo
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.pipeline import Anonymiser

GOAL_SECONDS: Final = {LISTS: 1.0, PHOTOS: 10.0}
_MIN_FACE: Final = 24
_MIN_CHANGE: Final = 8.0
_TWICE: Final = """
SELECT count(*) FROM photos p
 WHERE (SELECT count(*) FROM photo_variants v WHERE v.photo_id = p.id AND v.kind = 'processed') > 1
    OR (SELECT count(*) FROM domain_events e WHERE e.subject_id = p.id::text
           AND e.event IN ('photo.completed', 'photo.no_faces', 'photo.failed'))
     > (SELECT count(*) FROM domain_events e WHERE e.subject_id = p.id::text AND e.event = 'photo.requested')
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Photos by what must not happen to them; each number but the first is 0 when all is well."""

    asked: int
    lost: int
    doubled: int
    not_anonymised: int

    def __str__(self) -> str:
        return (
            f"{self.asked} asked for: {self.lost} lost, {self.doubled} doubled, "
            f"{self.not_anonymised} with a face to be seen"
        )

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.not_anonymised)


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds of all, and of those that met no fault which takes their resource away."""

    count: int
    p50: float
    p99: float
    longest: float
    refused: int
    """Answers other than 200 although no fault was there."""

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "Latency":
        samples = list(samples)
        if not samples:
            return cls(0, 0, 0, 0, 0)
        seconds = np.array([sample.seconds for sample in samples])
        p50, p99 = np.percentile(seconds, [50, 99])
        return cls(
            len(samples),
            float(p50),
            float(p99),
            float(seconds.max()),
            sum(sample.status != HTTPStatus.OK for sample in samples),
        )


def undisturbed(samples: list[Sample], windows: list[Window], kind: str) -> list[Sample]:
    return [sample for sample in samples if sample.kind == kind and not sample.meets(windows)]


def judge(platform: Platform, honest: Honest) -> Verdict:
    """Ask for each photo once more, and look at every result."""
    covers = Covers()
    lost = exposed = 0
    for asked in honest.photos:
        data = _published(platform, asked.url)
        if asked.url is None or data is None or honest.ask_again(asked) != asked.url:
            lost += 1
        elif not covers.hide(data):
            exposed += 1
    public = platform.stack.storage / "stall-photos-processed"
    # Also what no row names: an attempt that was killed may have left its bytes.
    every = [path.read_bytes() for path in public.rglob("*.jpg") if not path.name.startswith(".")]
    exposed += sum(not covers.hide(data) for data in [*honest.answers, *every])
    twice = platform.stack.query(_TWICE)[0][0]
    rows = platform.stack.query("SELECT count(*) FROM photos WHERE subject <> 'temporary'")[0][0]
    return Verdict(len(honest.photos), lost, twice + max(0, rows - len(honest.photos)), exposed)


def _published(platform: Platform, url: str | None) -> bytes | None:
    if url is None:
        return None
    answer = platform.stack.client.get(urlsplit(url).path)
    return answer.content if answer.status_code == HTTPStatus.OK else None


class Covers:
    """Where the faces of the honest clients' photo are, and whether a result shows something else there."""

    def __init__(self) -> None:
        data = photo(0)
        found = Anonymiser(YuNet()).anonymise(data).faces
        self._original = _pixels(data)
        self._boxes = [
            tuple(round(side) for side in face.box) for face in found if face.box[3] - face.box[1] >= _MIN_FACE
        ]

    def hide(self, data: bytes) -> bool:
        """Whether every face is covered; smaller copies are compared at their size."""
        result = _pixels(data)
        scale = result.shape[1] / self._original.shape[1]
        original = cv2.resize(self._original, (result.shape[1], result.shape[0]), interpolation=cv2.INTER_AREA)
        difference = np.abs(original - result).mean(axis=2)
        return all(
            difference[round(top * scale) : round(bottom * scale), round(left * scale) : round(right * scale)].mean()
            > _MIN_CHANGE
            for left, top, right, bottom in self._boxes
        )


def _pixels(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None, "a result is no photo"  # noqa: S101 - a damaged result ends the run
    return pixels.astype(np.float32)
