"""Feeds damaged photos to the header checks and to an engine, as a worker does: `fuzz_imaging.py --seconds 600`.

The corpus is ../shared/images and tests/imaging/seeds. Each batch is a process of its own with bounded memory, made
from typing import Final
from a seed, so that a finding can be had again: `fuzz_imaging.py --batch SEED`. Findings, each with its input kept in
`--findings`:

  - anything but an ImagingError from the header checks, or more than two seconds for them
  - an engine that ends by an exception of Python, or a parent that ends at all
  - a result that cannot be read, is not of the upright size, carries metadata, or shows a face that its undamaged
    photo's result does not show
"""

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.imaging.photos import PHOTOS, ROOT

BATCH: Final = 60
BATCH_SECONDS: Final = 600


def fuzz(seconds: float, seed: int, findings: Path, memory_mib: int) -> tuple[collections.Counter[str], list[str]]:
    """Run batches until the time is over; return how often each answer came, and what was found."""
    answers, found = collections.Counter[str](), []
    end, number = time.monotonic() + seconds, seed
    while time.monotonic() < end:
        counts, sentences = _batch(number, findings, memory_mib)
        answers.update(counts)
        found += sentences
        for sentence in sentences:
            print(f"FOUND in batch {number}: {sentence}", flush=True)
        number += 1
        left = max(0, end - time.monotonic())
        print(f"batch {number - 1}: {answers.total()} inputs, {len(found)} findings, {left:.0f} s left", flush=True)
    return answers, found


def _batch(seed: int, findings: Path, memory_mib: int) -> tuple[dict[str, int], list[str]]:
    script = ROOT / "benchmarks" / "imaging" / "fuzz_batch.py"
    command = [sys.executable, str(script), str(seed), str(BATCH), str(findings), str(memory_mib)]
    with tempfile.TemporaryFile() as errors:
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, timeout=BATCH_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return {}, [f"the batch did not end within {BATCH_SECONDS} s"]
        errors.seek(0)
        said = errors.read()[-4000:].decode(errors="replace")
    if done.returncode != 0:
        return {}, [f"the parent ended with {done.returncode}: {said}"]
    answer = json.loads(done.stdout)
    return answer["counts"], answer["found"]


def main() -> None:
    """Run, and print the counts; exit code 1 when there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=5, help="of the first batch")
    parser.add_argument("--batch", type=int, help="run only this batch")
    parser.add_argument(
        "--memory-mib", type=int, default=1536, help="bound of a batch's parent; engines have their own"
    )
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    if not PHOTOS.is_dir():
        sys.exit("The public photos (../shared/images) are not here.")
    options.findings.mkdir(parents=True, exist_ok=True)
    if options.batch is not None:
        print(_batch(options.batch, options.findings, options.memory_mib))
        return
    answers, found = fuzz(options.seconds, options.seed, options.findings, options.memory_mib)
    print(f"{answers.total()} inputs: {dict(answers.most_common())}")
    print(f"{len(found)} findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
