"""Coverage-guided fuzzing of the header checks: `fuzz_headers.py CORPUS -max_total_time=600 -rss_limit_mb=1500`.

Needs atheris, which is no dependency of the project: `pip install atheris` into an environment that has it. What it
learns goes to the folder CORPUS; the seeds are tests/imaging/seeds, and options those of libFuzzer. Anything but an
ImagingError ends the run, with the input kept in the current folder.
"""

import contextlib
import sys
from pathlib import Path
from typing import Final

import atheris  # type: ignore[import-not-found]  # not a dependency

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["loppestars_imaging"]):
    from loppestars_imaging.codecs import registry
    from loppestars_imaging.errors import ImagingError
    from loppestars_imaging.inspect import Limits

LIMITS: Final = Limits(max_pixels=1_000_000, max_bytes=1_000_000)
SEEDS: Final = Path(__file__).parents[1] / "tests" / "imaging" / "seeds"


def check(data: bytes) -> None:
    """Look at a header as the pipeline does."""
    with contextlib.suppress(ImagingError):
        registry.inspect(data, LIMITS)


def main() -> None:
    """Run until libFuzzer has enough."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):  # noqa: PLR2004 - the folder comes first
        sys.exit(__doc__)
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    atheris.Setup([*sys.argv, str(SEEDS)], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
