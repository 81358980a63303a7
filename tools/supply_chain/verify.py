"""Verify a released image without cosign: `python -m tools.supply_chain.verify REPOSITORY@sha256:… release.pub`."""

import argparse
import sys
from pathlib import Path

from tools.cluster.errors import LocalClusterError
from tools.supply_chain.registry import Repository
from tools.supply_chain.signing import verify


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 and name what is stated of the image, 1 when anything is not signed by the key."""
    parser = argparse.ArgumentParser(prog="python -m tools.supply_chain.verify", description=__doc__)
    parser.add_argument("image", help="REPOSITORY@sha256:…")
    parser.add_argument("key", type=Path, help="public key (PEM)")
    options = parser.parse_args(arguments)
    name, _, digest = options.image.partition("@")
    try:
        predicates = verify(Repository(name), digest, options.key.read_bytes())
    except (LocalClusterError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"signed: {kind}\n" for kind in ("image", *predicates))
    return 0


if __name__ == "__main__":
    sys.exit(main())
