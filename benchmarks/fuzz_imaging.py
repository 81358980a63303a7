"""Feeds damaged photos to an engine, as a worker does: `python benchmarks/fuzz_imaging.py --seconds 600`.

The corpus is ../shared/images; each input is a photo with some bytes changed, removed, added, or its end cut off. Fails
when the parent raises anything but an error that imaging raises on purpose. Engines that end are counted: their photo
fails closed.
"""

import argparse
import asyncio
import collections
import random
import resource
import sys
import time
from pathlib import Path

from pydantic import SecretStr

from loppestars_imaging.engine.handle import Engine
from loppestars_imaging.engine.messages import Task
from loppestars_imaging.errors import ImagingError
from loppestars_imaging.settings import ImagingSettings

PHOTOS = Path(__file__).parents[2] / "shared" / "images"
LARGEST = 60_000
TASK = Task(mode="pixelate", cell_pixels=20, least_side=800, jpeg_only=False)


def damaged(photo: bytes, chance: random.Random) -> bytes:
    """Return the photo with one to sixteen wounds, most of them in its headers."""
    data = bytearray(photo)
    for _ in range(chance.choice((1, 2, 4, 16))):
        at = chance.randrange(min(len(data), 400) if chance.getrandbits(1) else len(data))
        wound = chance.choice(("change", "change", "change", "remove", "add", "cut"))
        if wound == "change":
            data[at] = chance.randrange(256)
        elif wound == "remove":
            del data[at : at + chance.randrange(1, 40)]
        elif wound == "add":
            data[at:at] = chance.randbytes(chance.randrange(1, 20))
        else:
            del data[max(1, at) :]
        data = data or bytearray(b"\xff")
    return bytes(data)


async def fuzz(seconds: float, seed: int) -> collections.Counter[str]:
    """Return how often each answer came."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    corpus = [path.read_bytes() for path in sorted(PHOTOS.glob("*/*")) if 0 < path.stat().st_size < LARGEST]
    settings = ImagingSettings(
        database_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"), storage_dir="unused", max_pixels=1_000_000
    )
    engine, answers = Engine(settings), collections.Counter[str]()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            try:
                await engine.anonymise(damaged(chance.choice(corpus), chance), TASK)
                answers["published"] += 1
            except ImagingError as error:
                answers[error.code] += 1
    finally:
        await engine.stop()
    return answers


def main() -> None:
    """Run, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    if not PHOTOS.is_dir():
        sys.exit("The public photos (../shared/images) are not here.")
    answers = asyncio.run(fuzz(options.seconds, options.seed))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"{answers.total()} photos, largest engine {children} MiB: {dict(answers)}")


if __name__ == "__main__":
    main()
