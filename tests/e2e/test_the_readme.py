"""The README's way from nothing to a platform on Kubernetes, as printed. The last scenario: it starts afresh."""

import os
import subprocess

import pytest

from tests.e2e.support.cluster import Cluster
from tests.newcomer.pages import blocks_of, says
from tools.cluster.node import Node
from tools.cluster.paths import REPOSITORY

pytestmark = pytest.mark.e2e


@pytest.fixture
def nothing_installed(operator: Cluster, cluster: Cluster) -> None:
    """A node with images and no operator, as `make cluster images` leaves it."""
    cluster.within("fair").kubectl("delete", "lstack", "--all", "--timeout=120s", timeout=140)
    cluster.kubectl("delete", "namespace", "fair", "--ignore-not-found", "--timeout=120s", timeout=140)
    operator.helm("uninstall", "loppestars-operator", "--wait", "--timeout=120s")
    cluster.kubectl("delete", "namespace", "loppestars-system", "--timeout=120s", timeout=140)
    cluster.kubectl("delete", "crd", "--selector=app.kubernetes.io/part-of=loppestars", "--ignore-not-found")


class TestReadme:
    def test_every_command(self, nothing_installed: None, node: Node) -> None:
        """From the operator's chart to a photo without faces through the Ingress."""
        blocks = [
            block
            for block in blocks_of("README.md", (REPOSITORY / "README.md").read_text(encoding="utf-8"))
            if block.how == "cluster"
        ]
        # The fixtures have done the first one.
        assert blocks[0].commands.startswith("make cluster images ")
        assert node.http_url == "http://10.88.0.1:30080"
        for block in blocks[1:]:
            done = subprocess.run(
                [
                    "/bin/bash",
                    "-c",
                    f'eval "$(python3 -m tools.cluster up 2>/dev/null)"\nset -euo pipefail\n{block.commands}',
                ],
                cwd=REPOSITORY,
                env=os.environ.copy(),
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
            assert done.returncode == 0, f"{block}:\n{done.stdout}{done.stderr}"
            assert says(done.stdout, block.answer or ""), f"{block} printed:\n{done.stdout}"
