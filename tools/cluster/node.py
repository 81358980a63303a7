"""One real Kubernetes node on a Linux machine that has root, but neither Docker nor an image registry.

`up` may be repeated, and takes up what a killed run left; `down` ends every process of the node and nothing else: the
recorded programs, whatever sits in the node's network namespace, and what runs below its cgroup.
"""

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tools.cluster import addons, cgroups, debian, leftovers, network, tools
from tools.cluster.certificates import CertificateAuthority
from tools.cluster.containers import NETWORK_NAME, PUBLIC_REGISTRY, REGISTRY_PORT, Containerd
from tools.cluster.control_plane import ADMIN, apiserver_options, audit_options, controller_options, etcd_options
from tools.cluster.errors import CommandFailed, UnsupportedMachine
from tools.cluster.paths import cache_directory, node_directory
from tools.cluster.processes import Daemon, run, wait_until

NODE_NAME: Final = "loppestars"
API_PORT: Final = 6443
DNS_ADDRESS: Final = "10.96.0.10"
# In the order in which they are ended.
DAEMONS: Final = (
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
    "registry",
)
SYSTEM_IMAGES: Final = ("pause", "coredns", "metrics-server", "traefik")


class Node:
    """The node of this machine; there is one."""

    registry_for_pushes = f"{network.NODE_ADDRESS}:{REGISTRY_PORT}"
    """How this machine reaches the registry (plain HTTP)."""
    registry_for_pulls = PUBLIC_REGISTRY
    """How image names in manifests call it: the node asks its own registry first."""
    http_url = f"http://{network.NODE_ADDRESS}:30080"
    https_url = f"https://{network.NODE_ADDRESS}:30443"

    def __init__(self, say: Callable[[str], None], directory: Path | None = None) -> None:
        self._say = say
        self.directory = directory or node_directory()
        self.containerd = Containerd(self.directory)

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.directory / "audit.log"

    def up(self) -> None:
        """Bring the node up, building what is missing; raise `LocalClusterError` with the words of what failed."""
        began = time.monotonic()
        require_supported_machine()
        debian.ensure(debian.NODE_PROGRAMS, self._say)
        tools.build(tools.NODE, jobs=None, say=self._say)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        network.create()
        cgroups.create()
        authority = CertificateAuthority(self.directory / "pki")
        server = f"https://{network.NODE_ADDRESS}:{API_PORT}"
        authority.kubeconfig(self.kubeconfig, server, *ADMIN)
        self._say("starting the control plane")
        self._start_control_plane(authority, server)
        self._start_registry()
        self._say("starting the node")
        self.containerd.start()
        self.containerd.load_programs(SYSTEM_IMAGES, self._say)
        self._start_kubelet(authority, server)
        self._install_addons()
        self._say(f"ready after {time.monotonic() - began:.0f} s: {NODE_NAME}, ingress at {self.http_url}")

    def down(self) -> None:
        """End everything of the node and remove its state; built programs and the registry's images stay."""
        require_supported_machine()
        kubelet, *others = (Daemon(name, self.directory) for name in DAEMONS)
        kubelet.stop()
        self.containerd.end_containers()
        for daemon in others:
            daemon.stop()
        self.containerd.stop()
        cgroups.end_processes()
        # What a killed `up` started without recording it, and the shims of containers whose containerd died.
        for process in network.processes_inside():
            process.end(grace=2)
        self._unmount()
        leftovers.remove_pod_networks(NETWORK_NAME)
        leftovers.remove_log_links(self.directory)
        network.remove()
        cgroups.remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    def status(self) -> dict[str, str]:
        """Return one word for each program: running or stopped."""
        names = ("containerd", *reversed(DAEMONS))
        return {name: "running" if Daemon(name, self.directory).identity() else "stopped" for name in names}

    def is_up(self) -> bool:
        return all(state == "running" for state in self.status().values())

    def _start(self, name: str, options: Sequence[str | Path]) -> None:
        program = tools.find([name])[name]
        Daemon(name, self.directory).start([program, *options], namespace=network.NAMESPACE)

    def _start_control_plane(self, authority: CertificateAuthority, server: str) -> None:
        etcd = "http://127.0.0.1:2379"
        self._start("etcd", etcd_options(self.directory / "etcd", etcd, "http://127.0.0.1:2380"))
        admin_certificate, admin_key = authority.issue("user-admin", *ADMIN)
        aggregator_certificate, aggregator_key = authority.issue("aggregator", "front-proxy-client")
        self._start("kube-apiserver", [
            *apiserver_options(authority, etcd, [network.NODE_ADDRESS]),
            *audit_options(self.directory, self.audit_log),
            f"--advertise-address={network.NODE_ADDRESS}", f"--secure-port={API_PORT}",
            f"--kubelet-client-certificate={admin_certificate}", f"--kubelet-client-key={admin_key}",
            "--kubelet-preferred-address-types=InternalIP",
            # The aggregation layer, for metrics-server.
            f"--requestheader-client-ca-file={authority.certificate}",
            "--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={aggregator_certificate}", f"--proxy-client-key-file={aggregator_key}",
            "--enable-aggregator-routing",
        ])  # fmt: skip
        kubectl = addons.Kubectl(self.kubeconfig)
        wait_until(lambda: _succeeds(kubectl, "get", "--raw", "/readyz"), "kube-apiserver", timeout=60)
        controllers = self._kubeconfig(authority, server, "system:kube-controller-manager")
        self._start("kube-controller-manager", [
            *controller_options(authority, controllers),
            "--allocate-node-cidrs", f"--cluster-cidr={network.CLUSTER_ADDRESSES}",
            # An HPA that reacts within a minute instead of several.
            "--horizontal-pod-autoscaler-sync-period=5s", "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
        ])  # fmt: skip
        scheduler = self._kubeconfig(authority, server, "system:kube-scheduler")
        self._start("kube-scheduler", [f"--kubeconfig={scheduler}", "--leader-elect=false"])

    def _start_registry(self) -> None:
        configuration = self.directory / "registry.yaml"
        configuration.write_text(
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "warn"},
                    "storage": {
                        "filesystem": {"rootdirectory": str(cache_directory() / "registry")},
                        "delete": {"enabled": True},
                    },
                    "http": {"addr": f":{REGISTRY_PORT}"},
                }
            )
        )
        self._start("registry", ["serve", configuration])

    def _start_kubelet(self, authority: CertificateAuthority, server: str) -> None:
        resolver = self.directory / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\n")
        configuration = self.directory / "kubelet.json"
        configuration.write_text(
            json.dumps(
                {
                    "apiVersion": "kubelet.config.k8s.io/v1beta1",
                    "kind": "KubeletConfiguration",
                    "authentication": {
                        "anonymous": {"enabled": False},
                        "webhook": {"enabled": True},
                        "x509": {"clientCAFile": str(authority.certificate)},
                    },
                    "authorization": {"mode": "Webhook"},
                    "cgroupDriver": "cgroupfs",
                    "cgroupRoot": f"/{cgroups.ROOT}",
                    "failCgroupV1": False,
                    "failSwapOn": False,
                    "containerRuntimeEndpoint": f"unix://{self.containerd.socket}",
                    "clusterDNS": [DNS_ADDRESS],
                    "clusterDomain": "cluster.local",
                    # The machine's disk is not ours to tidy: only memory may evict a pod.
                    "imageGCHighThresholdPercent": 100,
                    "evictionHard": {"memory.available": "100Mi"},
                    "podLogsDir": str(self.directory / "pod-logs"),
                    "resolvConf": str(resolver),
                    "serializeImagePulls": False,
                }
            )
        )
        kubeconfig = self._kubeconfig(authority, server, f"system:node:{NODE_NAME}", ["system:nodes"])
        self._start("kubelet", [
            f"--config={configuration}", f"--kubeconfig={kubeconfig}",
            f"--root-dir={self.directory / 'kubelet'}", f"--cert-dir={self.directory / 'kubelet-pki'}",
            f"--hostname-override={NODE_NAME}", f"--node-ip={network.NODE_ADDRESS}",
        ])  # fmt: skip
        proxy = self._kubeconfig(authority, server, "system:kube-proxy")
        self._start("kube-proxy", [
            f"--kubeconfig={proxy}", f"--cluster-cidr={network.CLUSTER_ADDRESSES}",
            f"--hostname-override={NODE_NAME}", "--proxy-mode=iptables", "--conntrack-max-per-core=0",
        ])  # fmt: skip

    def _install_addons(self) -> None:
        kubectl = addons.Kubectl(self.kubeconfig)
        self._say("installing CRDs, DNS, metrics-server and Traefik")
        kubectl.apply_files(addons.crd_files())
        kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for name in ("dns", "metrics-server", "ingress"):
            kubectl.apply(addons.rendered(name))
        wait_until(lambda: _succeeds(kubectl, "get", "node", NODE_NAME), "the node's registration", timeout=60)
        kubectl("wait", "--for=condition=Ready", f"node/{NODE_NAME}", "--timeout=60s")
        for name in ("coredns", "metrics-server", "traefik"):
            kubectl("-n", "kube-system", "rollout", "status", f"deployment/{name}", "--timeout=110s")

    def _kubeconfig(
        self, authority: CertificateAuthority, server: str, user: str, groups: Sequence[str] = (),
    ) -> Path:  # fmt: skip
        name = user.removeprefix("system:").replace(":", "-")
        return authority.kubeconfig(self.directory / f"{name}.kubeconfig", server, user, groups)

    def _unmount(self) -> None:
        below = f"{self.directory}/"
        points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for point in sorted((point for point in points if point.startswith(below)), reverse=True):
            run(["umount", "--lazy", point])


def require_supported_machine() -> None:
    """Raise `UnsupportedMachine` unless a node of our own can run here."""
    if platform.system() != "Linux":
        raise UnsupportedMachine("a node of one's own needs Linux; with Docker running, `make cluster` uses kind")
    if os.geteuid() != 0:
        raise UnsupportedMachine("a node of one's own needs root (network namespace, cgroups): run it with sudo")


def _succeeds(kubectl: addons.Kubectl, *arguments: str) -> bool:
    try:
        kubectl(*arguments, timeout=10)
    except CommandFailed:
        return False
    return True
