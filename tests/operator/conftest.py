"""Fixtures of the operator's tests."""

from collections.abc import Iterator

import pytest

from tests.factories.control_plane import running_control_plane
from tools.cluster.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A Kubernetes API for the whole session, with an audit log of all writes; tests use namespaces of their own."""
    with running_control_plane(audit=True) as plane:
        yield plane


@pytest.fixture(scope="session")
def control_plane_with_controllers() -> Iterator[ControlPlane]:
    """The same with kube-controller-manager: garbage collection, Jobs, the status of Deployments."""
    with running_control_plane(controllers=True, audit=True) as plane:
        yield plane
