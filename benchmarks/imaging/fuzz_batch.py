"""One batch of fuzz_imaging.py: `fuzz_batch.py SEED COUNT FINDINGS MEMORY_MIB` prints counts and findings as JSON."""

import asyncio
import collections
import faulthandler
import io
import json
import os
import random
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.imaging.mutations import damaged
from benchmarks.imaging.photos import PHOTOS, ROOT
from benchmarks.imaging.pipelines import worker_settings
from benchmarks.imaging.published import problems
from loppestars_core.photos import PhotoOptions
from loppestars_imaging.codecs import registry
from loppestars_imaging.detect.search import FaceSearch
from loppestars_imaging.detect.yunet import YuNet
from loppestars_imaging.engine.pool import Engine, Result
from loppestars_imaging.errors import EngineCrashed, ImagingError
from loppestars_imaging.inspect import Limits
from loppestars_imaging.worker.photo_job import task_of

_MAX_SEED: Final = 120_000
_MAX_PIXELS: Final = 2_000_000
_HEADERS_PER_PHOTO: Final = 20
_SLOW: Final = 2.0
_HANGS: Final = 580  # seconds after which a batch says where it is, and ends
_CLEAR: Final = 0.85
"""Score from which a face in a result is one that should have been hidden."""
_SIDES: Final = (256, 448, 640, 960)


class Batch:
    """A corpus, an engine, and what was found."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.seed = seed
        self.folder = folder
        self.corpus = corpus()
        self.counts = collections.Counter[str]()
        self.found: list[str] = []
        self.search = FaceSearch(YuNet())
        self.limits = Limits(_MAX_PIXELS, 4_000_000)
        settings = worker_settings(max_pixels=_MAX_PIXELS, max_bytes=4 * 1024 * 1024, photo_timeout_seconds=30)
        self.engine = Engine(settings)
        self._clean: dict[bytes, int] = {}

    def note(self, what: str, data: bytes) -> None:
        """Keep a finding with its input."""
        path = self.folder / f"{self.seed}-{len(self.found)}.bin"
        path.write_bytes(data)
        self.found.append(f"{what} ({path.name})")

    async def run(self, count: int) -> None:
        """Check headers of many, and the whole way of some."""
        try:
            for _ in range(count):
                for _ in range(_HEADERS_PER_PHOTO):
                    self.check_header(damaged(self._pick(), self._pick(), self.chance))
                photo = self._pick()
                await self.check_pipeline(photo, damaged(photo, self._pick(), self.chance))
        finally:
            await self.engine.stop()

    def _pick(self) -> bytes:
        return self.chance.choice(self.corpus)

    def check_header(self, data: bytes) -> None:
        started = time.monotonic()
        try:
            registry.inspect(data, self.limits)
            self.counts["header accepted"] += 1
        except ImagingError:
            self.counts["header refused"] += 1
        except Exception:  # noqa: BLE001 - any other kind is a finding
            self.note(f"header: {traceback.format_exc(limit=-1)}", data)
        if time.monotonic() - started > _SLOW:
            self.note("header: slow", data)

    async def check_pipeline(self, photo: bytes, data: bytes) -> None:
        outcome = await self._answer(data)
        if isinstance(outcome, Result):
            self.counts["published"] += 1
            for problem in problems(outcome.data, (outcome.width, outcome.height)):
                self.note(f"the result {problem}", data)
            if self.faces_in(outcome.data) > await self._faces_of_clean(photo):
                self.note("the result shows a face", data)
        elif isinstance(outcome, EngineCrashed):
            self.counts[f"engine ended: {outcome}"] += 1
            if "with 1 " in str(outcome):
                self.note("an exception ended the engine", data)
        else:
            self.counts[outcome.code] += 1

    async def _answer(self, data: bytes) -> Result | ImagingError:
        task = task_of(PhotoOptions(output=self.chance.choice(("jpeg", "same"))))
        try:
            return await self.engine.anonymise(data, task)
        except ImagingError as error:
            return error

    async def _faces_of_clean(self, photo: bytes) -> int:
        """How many faces a detector sees in the result of the undamaged photo: dogs, and things like faces."""
        if photo not in self._clean:
            outcome = await self._answer(photo)
            self._clean[photo] = self.faces_in(outcome.data) if isinstance(outcome, Result) else 0
        return self._clean[photo]

    def faces_in(self, data: bytes) -> int:
        """Count the clear faces of a result, at any of some scales."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[:, :, ::-1]
            except (OSError, ValueError, SyntaxError):
                return 0
        size = (picture.shape[1], picture.shape[0])
        return max(len(self.search.scan(np.ascontiguousarray(picture), size, side, _CLEAR)) for side in _SIDES)


def corpus() -> list[bytes]:
    """Return the small public photos, and the seeds of the tests."""
    paths = [*sorted(PHOTOS.glob("*/*")), *sorted((ROOT / "tests" / "imaging" / "seeds").glob("*"))]
    return [path.read_bytes() for path in paths if 0 < path.stat().st_size < _MAX_SEED]


def main() -> None:
    """Run, and print."""
    seed, count, folder, memory_mib = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    # Codecs write warnings to stdout's descriptor: the answer must be out of their reach.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    faulthandler.dump_traceback_later(_HANGS, exit=True)
    limit = memory_mib * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    cv2.setNumThreads(1)
    batch = Batch(seed, folder)
    asyncio.run(batch.run(count))
    answer = {"counts": dict(batch.counts), "found": batch.found}
    answers.write(json.dumps(answer))
    answers.close()


if __name__ == "__main__":
    main()
