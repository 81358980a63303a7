"""The node, the images and the platform on it: made once, used by all scenarios in the order of their numbers."""

from __future__ import annotations

import os
import platform

import pytest

from k8s.local import images as image_builds
from k8s.local.node import Node
from tests.e2e.support.audit import AuditLog
from tests.e2e.support.cluster import Cluster


def say(line: str) -> None:
    """Progress of minutes-long steps; pytest shows it with -s or when a test fails."""
    print(line)  # noqa: T201


@pytest.fixture(scope="session")
def node() -> Node:
    """The node of this machine, up. It stays up afterwards: `make cluster-down` ends it."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        pytest.skip("the end-to-end tests need Linux and root: a node of their own")
    node = Node(say)
    node.up()
    return node


@pytest.fixture(scope="session")
def cluster(node: Node) -> Cluster:
    return Cluster(node.kubeconfig)


@pytest.fixture(scope="session")
def audit(node: Node) -> AuditLog:
    return AuditLog(node.audit_log)


@pytest.fixture(scope="session")
def images(node: Node) -> str:
    """The version under which this tree's images are in the node's registry.

    LOPPESTARS_E2E_IMAGES=present takes those that are there.
    """
    version = image_builds.project_version()
    if os.environ.get("LOPPESTARS_E2E_IMAGES") != "present":
        image_builds.make(image_builds.NAMES, version, node, say)
    return version
