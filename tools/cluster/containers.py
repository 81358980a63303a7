"""containerd for the node: its configuration, its images, the end of its containers."""

import contextlib
import json
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.cluster import network, tools
from tools.cluster.errors import CommandFailed
from tools.cluster.processes import Daemon, run, wait_until
from tools.cluster.scratch_images import write_image

KUBERNETES_NAMESPACE: Final = "k8s.io"
NETWORK_NAME: Final = "loppestars"
REGISTRY_PORT: Final = 5000
PUBLIC_REGISTRY: Final = "ghcr.io"
# Samples and charts name the public registry; here their images come from the one on this node.
MIRROR: Final = f"""\
[host."http://localhost:{REGISTRY_PORT}"]
  capabilities = ["pull", "resolve"]
"""
ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def image_of(tool_name: str) -> str:
    """Return the name of the image that holds one of our programs; found nowhere but on this machine."""
    return f"localhost/{tool_name}:{tools.all_tools()[tool_name].version}"


class Containerd:
    """One containerd with all its state below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._daemon = Daemon("containerd", directory)

    @property
    def socket(self) -> Path:
        return self._directory / "containerd.sock"

    def start(self) -> None:
        """Start it in the node's network, with the bridge network for pods."""
        networks = self._directory / "cni"
        networks.mkdir(parents=True, exist_ok=True)
        (networks / "10-bridge.conflist").write_text(bridge_network(networks / "addresses"))
        mirror = self._directory / "registries" / PUBLIC_REGISTRY
        mirror.mkdir(parents=True, exist_ok=True)
        (mirror / "hosts.toml").write_text(MIRROR)
        configuration = self._directory / "containerd.toml"
        configuration.write_text(
            CONFIGURATION.replace("DIRECTORY", str(self._directory)).replace("PAUSE", image_of("pause")),
        )
        self._daemon.start(["containerd", "--config", configuration], namespace=network.NAMESPACE)
        wait_until(self.answers, "containerd", timeout=30)

    def stop(self) -> None:
        self._daemon.stop()

    def answers(self) -> bool:
        try:
            self._ctr("version")
        except CommandFailed:
            return False
        return True

    def load(self, archive: Path) -> None:
        """Import a docker-archive; `ctr` names the images as the archive does."""
        self._ctr("images", "import", str(archive))

    def forget(self, image: str) -> None:
        """Remove an image's name, so that it is pulled again; containers that run from it go on."""
        if self.answers():
            self._ctr("images", "remove", image)

    def load_programs(self, names: tuple[str, ...], say: Callable[[str], None]) -> None:
        """Make and import the images of our own programs that are not there yet."""
        present = set(self._ctr("images", "list", "-q").split())
        for name in names:
            image = image_of(name)
            if image in present:
                continue
            say(f"importing {image}")
            with tempfile.TemporaryDirectory(dir=self._directory) as scratch:
                archive = program_archive(Path(scratch), name)
                self.load(archive)

    def end_containers(self) -> None:
        """Remove every container's task, as far as containerd still answers."""
        if not self.answers():
            return
        for task in self._ctr("tasks", "list", "-q").split():
            with contextlib.suppress(CommandFailed):
                self._ctr("tasks", "delete", "--force", task)

    def _ctr(self, *arguments: str) -> str:
        return run(["ctr", "--address", self.socket, "--namespace", KUBERNETES_NAMESPACE, *arguments])


def program_archive(directory: Path, name: str) -> Path:
    """Return the docker-archive of one of our programs, in `directory`."""
    binary = tools.find([name])[name]
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    return write_image(directory / f"{name}.tar", image_of(name), binary, architecture=architecture)


def bridge_network(addresses: Path) -> str:
    """Return the pods' network: a bridge in the node's namespace that notes taken addresses in `addresses`."""
    bridge = {
        "type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
        "ipam": {
            "type": "host-local", "dataDir": str(addresses),
            "ranges": [[{"subnet": network.POD_ADDRESSES}]], "routes": [{"dst": "0.0.0.0/0"}],
        },
    }  # fmt: skip
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": NETWORK_NAME, "plugins": [bridge, ports]})


# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc cannot set a negative score, and every pod would fail with
# "can't get final child's PID from pipe".
CONFIGURATION: Final = """\
version = 2
root = "DIRECTORY/containerd"
state = "DIRECTORY/containerd-run"
[grpc]
  address = "DIRECTORY/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "PAUSE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "DIRECTORY/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "DIRECTORY/cni"
"""
