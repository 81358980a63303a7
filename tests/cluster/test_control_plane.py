"""The control plane of the tests is a real one."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.factories.control_plane import running_control_plane
from tools.cluster import tools
from tools.cluster.errors import CommandFailed

pytestmark = pytest.mark.cluster


def kubectl(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = tools.find(["kubectl"])["kubectl"]
    command = [str(program), f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


class TestControlPlane:
    """The control plane of the tests is a real one."""

    def test_serves_stores_audits_and_cleans_up(self) -> None:
        """Ready in time; an object written is read back and audited; nothing is left afterwards."""
        with running_control_plane(audit=True) as plane:
            made = kubectl(plane.kubeconfig, "create", "configmap", "hello", "--from-literal=a=b")
            assert made.returncode == 0, made.stderr
            read = kubectl(plane.kubeconfig, "get", "configmap", "hello", "-o", "jsonpath={.data.a}")
            assert read.stdout == "b"
            version = json.loads(plane.get("/version"))["gitVersion"]
            assert version == tools.all_tools()["kube-apiserver"].version
            events = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
            assert any(e["verb"] == "create" and e["objectRef"].get("name") == "hello" for e in events)
            directory = plane.directory
        assert not directory.exists()

    def test_two_side_by_side_and_other_users(self) -> None:
        """Ports and data are their own; a user without roles is refused."""
        with running_control_plane() as one, running_control_plane() as two:
            assert kubectl(one.kubeconfig, "create", "namespace", "only-here").returncode == 0
            assert kubectl(two.kubeconfig, "get", "namespace", "only-here").returncode == 1
            stranger = one.kubeconfig_for("system:serviceaccount:default:stranger", ["system:serviceaccounts"])
            refused = kubectl(stranger, "get", "namespaces")
            assert "Forbidden" in refused.stderr

    def test_wrong_option_is_reported_in_the_programs_words(self) -> None:
        """A start that cannot work ends with what the API server said."""
        with (
            pytest.raises(CommandFailed, match=r"kube-apiserver ended with 1:(.|\n)*unknown flag: --no-such-option"),
            running_control_plane(apiserver_options=["--no-such-option"]),
        ):
            pass
