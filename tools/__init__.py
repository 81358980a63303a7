"""What developers run besides the product: a cluster of their own, releases.

`python3 -m tools.…` works before there is an environment: of core only the kit's modules that need nothing but the
standard library are imported, from this very checkout.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "core"))
