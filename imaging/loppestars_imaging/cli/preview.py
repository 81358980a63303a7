"""A picture of photos before and after, for a quick look at a whole folder.

Drawn in a process of its own, bounded as an engine is: originals are hostile here, too.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

_SECONDS: Final = 300
MAX_PAIRS: Final = 40
"""More photos are left out of the sheet, never out of the work."""


def draw_apart(pairs: list[tuple[Path, Path]], target: Path, memory_mib: int) -> bool:
    """Draw up to MAX_PAIRS (before, after) pairs of files into a JPEG; return whether it could be done."""
    wish = {"pairs": [(str(before), str(after)) for before, after in pairs[:MAX_PAIRS]], "target": str(target)}
    command = [sys.executable, "-m", "loppestars_imaging.cli.before_after", str(memory_mib)]
    try:
        # Every argument is ours, and no shell is in between.
        subprocess.run(  # noqa: S603 - see above
            command, input=json.dumps(wish).encode(), timeout=_SECONDS, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return False
    return True
