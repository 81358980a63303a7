"""`python -m tools.cluster`: what people type, and what they are told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cluster import addons, debian, images, kind, node
from tools.cluster.__main__ import main
from tools.cluster.errors import UnsupportedMachine
from tools.cluster.processes import ProcessIdentity


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory of the test's own."""
    monkeypatch.setenv("LOPPESTARS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path / "cache"


def program(directory: Path, name: str, script: str) -> Path:
    """A stand-in for a program that this machine may not have; it notes how it was called."""
    path = directory / name
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{directory}/calls"\n{script}\n')
    path.chmod(0o755)
    return path


class TestUsage:
    @pytest.mark.parametrize(
        "command", [[], ["build"], ["up"], ["down"], ["images"], ["load"], ["status"], ["control-plane"]]
    )
    def test_every_command_has_help(self, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """--help explains and ends with 0."""
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        assert ended.value.code == 0
        assert "usage: python -m tools.cluster" in capsys.readouterr().out

    @pytest.mark.parametrize("command", ["build", "images"])
    def test_unknown_names_are_named(self, command: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The answer to a typo is what there is."""
        assert main([command, "moon"]) == 1
        assert "unknown: moon. Known are " in capsys.readouterr().err

    def test_an_archive_that_is_not_there(self, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Loading says which file is missing."""
        assert main(["load", "--kind=node", "no.tar"]) == 1
        assert "no.tar is not a file" in capsys.readouterr().err

    def test_status_of_nothing(self, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Every program of the node is listed, and none runs."""
        assert main(["status", "--kind=node"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert next(line.split() for line in lines) == ["containerd", "stopped"]
        assert {line.split()[1] for line in lines} == {"stopped"}
        assert len(lines) == 1 + len(node.DAEMONS)


class TestMachine:
    def test_node_needs_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The refusal says what to do."""
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        with pytest.raises(UnsupportedMachine, match="run it with sudo"):
            node.require_supported_machine()

    def test_node_needs_linux(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a Mac kind is the way."""
        monkeypatch.setattr("platform.system", lambda: "Darwin")
        with pytest.raises(UnsupportedMachine, match="uses kind"):
            node.require_supported_machine()

    def test_missing_packages_are_named_where_they_cannot_be_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An ordinary user is told what to install."""
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        with pytest.raises(UnsupportedMachine, match=r"missing on this machine: moon-tools \(names of Debian\)"):
            debian.ensure({"no-such-program": "moon-tools"}, lambda _: None)

    def test_nothing_is_installed_where_all_is_there(self) -> None:
        """No package manager is started."""
        debian.ensure({"sh": "dash"}, lambda _: pytest.fail("said something"))


class TestKind:
    def test_a_docker_client_without_engine_does_not_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Many machines have only the client."""
        program(tmp_path, "docker", "exit 1")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert not kind.docker_runs()
        program(tmp_path, "docker", "exit 0")
        assert kind.docker_runs()

    def test_ports_are_open_on_loopback_only(self) -> None:
        """Nobody else on the network reaches the cluster."""
        (only,) = json.loads(kind.configuration())["nodes"]
        assert {mapping["listenAddress"] for mapping in only["extraPortMappings"]} == {"127.0.0.1"}

    def test_down_deletes_our_cluster_only(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Other kind clusters stay."""
        program(tmp_path, "kind", "exit 0")
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        assert main(["down", "--kind=kind"]) == 0
        assert (tmp_path / "calls").read_text().splitlines() == ["delete cluster --name=loppestars"]


class TestManifests:
    @pytest.mark.parametrize("name", ["dns", "metrics-server", "ingress"])
    def test_images_are_filled_in(self, name: str) -> None:
        """No placeholder is left; every image comes from this machine."""
        text = addons.rendered(name)
        assert "$" not in text
        images_used = [line.split()[-1] for line in text.splitlines() if " image: " in line]
        assert images_used
        assert all(image.startswith("localhost/") for image in images_used)


class TestImages:
    @pytest.mark.parametrize(
        ("image", "local"),
        [
            ("localhost:5000/loppestars/api:1", True),
            ("10.88.0.1:5000/loppestars/api:1", True),
            ("registry.example.com/loppestars/api:1", False),
            ("localhost.example.com/api:1", False),
        ],
    )
    def test_plain_http_only_on_this_machine(self, image: str, local: bool) -> None:  # noqa: FBT001 - a table
        """Certificates of registries elsewhere are always checked."""
        assert images.is_local(image) is local

    def test_every_image_has_a_dockerfile(self) -> None:
        """Targets and folders named in the code exist."""
        targets = images.product_image("api").dockerfile.read_text()
        assert all(f" AS {component}\n" in targets for component in (*images.COMPONENTS, images.SAMPLE_SITE))
        assert all(images.service_image(service).dockerfile.is_file() for service in images.SERVICES)


class TestCommandLine:
    """`python -m tools.cluster`: what people type, and what they are told."""

    def test_a_node_that_was_killed_leaves_no_trace_in_status(self, cache: Path) -> None:
        """A record of a process that is gone, or is somebody else's by now, counts as stopped."""
        directory = cache / "node"
        directory.mkdir(parents=True)
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        (directory / "etcd.process.json").write_text(json.dumps({"pid": ended.pid, "start_time": 1}))
        own = ProcessIdentity.of(1)
        assert own is not None
        (directory / "kubelet.process.json").write_text(json.dumps({"pid": 1, "start_time": own.start_time + 1}))
        assert set(node.Node(lambda _: None).status().values()) == {"stopped"}
