"""Where things lie. Everything that this package writes is below one directory, which may be deleted at any time."""

import os
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
REPOSITORY: Final = HERE.parent.parent
MANIFESTS: Final = HERE / "manifests"
MODULES: Final = HERE / "modules"


def cache_directory() -> Path:
    """`LOPPESTARS_CACHE`, or a directory of ours below the user's cache."""
    named = os.environ.get("LOPPESTARS_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loppestars-cluster"


def binaries_directory() -> Path:
    """Built programs, as `<name>-<version>` beside a link `<name>` to the version in use."""
    return cache_directory() / "bin"


def node_directory() -> Path:
    """State of the node: keys, etcd's data, containers, logs. `down` empties it."""
    return cache_directory() / "node"
