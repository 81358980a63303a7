"""Print the tests that failed in the last run of pytest, one per line."""

import json
import sys
from pathlib import Path
from typing import Final

CACHE: Final = Path(".pytest_cache/v/cache/lastfailed")


def main() -> None:
    """Print the names, or that the run ended before it could note any."""
    names = sorted(json.loads(CACHE.read_text())) if CACHE.exists() else []
    sys.stdout.write("".join(f"{name}\n" for name in names) or "(a run that ended before it named a failed test)\n")


if __name__ == "__main__":
    main()
