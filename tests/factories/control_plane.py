"""A real Kubernetes API for tests: `from tests.factories.control_plane import running_control_plane`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.factories.required import leave_out
from tools.cluster.control_plane import ControlPlane
from tools.cluster.errors import MissingBinaries


@contextmanager
def running_control_plane(**options: Any) -> Iterator[ControlPlane]:
    """A control plane of the test's own (options of `ControlPlane`); the test is left out where it is not built."""
    try:
        plane = ControlPlane(**options)
    except MissingBinaries as missing:
        leave_out(f"needs a Kubernetes control plane: {missing}")
    with plane:
        yield plane
