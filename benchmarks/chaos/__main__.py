"""`python -m benchmarks.chaos`: prints a table; ends with 1 where something was lost, doubled, exposed or slow."""

import argparse
import sys
import time

from benchmarks.chaos.run import run


def main() -> None:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same one gives the same faults")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    outcome = run(options.minutes * 60, options.seed)
    print(outcome.table())
    sys.exit(not (outcome.verdict.clean and outcome.quick and outcome.refused == 0))


if __name__ == "__main__":
    main()
