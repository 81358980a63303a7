"""A slice of `benchmarks/fuzz_imaging.py`: the same damaged photos each time, on seeds of some hundred bytes."""

import contextlib
import random
from pathlib import Path

import pytest
from pydantic import SecretStr

from benchmarks.imaging.mutations import damaged
from benchmarks.imaging.published import problems
from loppestars_imaging.codecs import registry
from loppestars_imaging.engine.messages import Task
from loppestars_imaging.engine.pool import Engine
from loppestars_imaging.errors import EngineCrashed, ImagingError
from loppestars_imaging.inspect import Limits
from loppestars_imaging.settings import ImagingSettings

SEEDS = sorted((Path(__file__).parent / "seeds").iterdir())
LIMITS = Limits(max_pixels=1_000_000, max_bytes=100_000)


class TestCheck:
    """A check of results that never complains would prove nothing."""

    @pytest.mark.parametrize(
        ("name", "ending", "says"),
        [
            ("progressive-turned.jpg", b"", ["has EXIF", "carries marker e1"]),
            ("baseline.jpg", b"trailer", ["carries 7 bytes after the end"]),
            ("rgb.png", b"more", ["carries 4 bytes after the end"]),
            ("lossy.webp", b"more", ["carries 4 bytes after the end"]),
            ("small.avif", b"", ["is a AVIF"]),
        ],
    )
    def test_what_does_not_belong_is_named(self, name: str, ending: bytes, says: list[str]) -> None:
        """Metadata, bytes after the end, a format that is not written."""
        seed = Path(__file__).parent / "seeds" / name
        assert problems(seed.read_bytes() + ending, (32, 24)) == says

    def test_a_wrong_size_and_no_picture_at_all(self) -> None:
        """What a viewer would stumble over."""
        seed = Path(__file__).parent / "seeds" / "baseline.jpg"
        assert problems(seed.read_bytes(), (24, 32)) == ["is (32, 24) and not (24, 32)"]
        assert "cannot be read" in problems(seed.read_bytes()[:300], (32, 24))[0]


class TestFuzzing:
    """A slice of `benchmarks/fuzz_imaging.py`: the same damaged photos each time, on seeds of some hundred bytes."""

    @pytest.mark.parametrize("seed", SEEDS, ids=lambda path: path.name)
    def test_headers_raise_only_what_is_told(self, seed: Path) -> None:
        """Whatever a header says, it is understood or refused."""
        chance = random.Random(seed.name)  # noqa: S311 - repeatable on purpose
        for _ in range(300):
            data = damaged(seed.read_bytes(), chance.choice(SEEDS).read_bytes(), chance)
            with contextlib.suppress(ImagingError):
                header = registry.inspect(data, LIMITS)
                assert 0 < header.width * header.height <= LIMITS.max_pixels

    async def test_what_an_engine_publishes_is_whole(self) -> None:
        """Results are readable, of the size that was told, and carry nothing else; no exception ends the engine."""
        chance = random.Random(7)  # noqa: S311 - repeatable on purpose
        database = SecretStr("postgresql://nobody@127.0.0.1:1/none")
        engine = Engine(ImagingSettings(database_url=database, storage_dir="unused", max_pixels=1_000_000))
        published = refused = ended = 0
        try:
            for _ in range(90):
                seed = chance.choice(SEEDS).read_bytes()
                data = damaged(seed, chance.choice(SEEDS).read_bytes(), chance)
                try:
                    done = await engine.anonymise(
                        data, Task("pixelate", 20, 800, jpeg_only=bool(chance.getrandbits(1)))
                    )
                except ImagingError as error:
                    refused += 1
                    by_exception = isinstance(error, EngineCrashed) and "with 1 " in str(error)
                    ended += by_exception
                else:
                    published += 1
                    assert problems(done.data, (done.width, done.height)) == []
        finally:
            await engine.stop()
        assert published > 20
        assert refused > 20
        assert ended == 0
