"""The programs of a cluster, built from Go modules and kept by version.

Kubernetes, etcd and Traefik are pinned with hashes by the go.mod files in `modules/` (their own modules cannot be
installed by `go install`, because they use `replace`); the others by version, verified by Go's checksum database.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.cluster.errors import CommandFailed, LocalClusterError, MissingBinaries
from tools.cluster.paths import MODULES, binaries_directory, cache_directory

KUBERNETES: Final = "k8s.io/kubernetes"


@dataclass(frozen=True)
class Tool:
    """One program: the package it is built from, and the version that names its file in the cache."""

    name: str
    package: str
    version: str
    directory: Path | None = None
    """Where the go.mod lies that pins it; None: `go install package@version`."""
    flags: str = "-s -w"

    @property
    def path(self) -> Path:
        return binaries_directory() / f"{self.name}-{self.version}"

    @property
    def link(self) -> Path:
        return binaries_directory() / self.name


def pinned_version(directory: Path, module: str) -> str:
    """Return the version that the go.mod in `directory` requires of `module`."""
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", (directory / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise LocalClusterError(f"{directory / 'go.mod'} does not require {module}")
    return found[1]


def _kubernetes(name: str) -> Tool:
    directory = MODULES / "kubernetes"
    version = pinned_version(directory, KUBERNETES)
    _, minor, _ = version.split(".", 2)
    base = "k8s.io/component-base/version"
    # Without these the programs call themselves v0.0.0-master, and clients refuse to compare versions.
    stamp = (
        f"-X {base}.gitVersion={version} -X {base}.gitMajor=1 -X {base}.gitMinor={minor} -X {base}.gitTreeState=clean"
    )
    return Tool(name, f"{KUBERNETES}/cmd/{name}", version, directory, f"-s -w {stamp}")


def _pinned(name: str, module: str, package: str, folder: str) -> Tool:
    return Tool(name, package, pinned_version(MODULES / folder, module), MODULES / folder)


def all_tools() -> dict[str, Tool]:
    """Return every program by name, in the order in which a cold build makes them useful."""
    tools = [
        _pinned("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", "kubernetes"),
        _kubernetes("kube-apiserver"),
        _kubernetes("kubectl"),
        Tool("versitygw", "github.com/versity/versitygw/cmd/versitygw", "v1.8.0"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        Tool("coredns", "github.com/coredns/coredns", "v1.13.1"),
        Tool("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", "v0.9.0"),
        Tool("helm", "helm.sh/helm/v4/cmd/helm", "v4.0.0"),
        Tool("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "v0.7.0"),
        Tool("registry", "github.com/distribution/distribution/v3/cmd/registry", "v3.0.0"),
        Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", "v0.8.0"),
        _pinned("traefik", "github.com/traefik/traefik/v3", "github.com/traefik/traefik/v3/cmd/traefik", "traefik"),
        Tool("pause", ".", "v1", MODULES / "pause"),
        Tool("kind", "sigs.k8s.io/kind", "v0.33.0"),
    ]
    return {tool.name: tool for tool in tools}


CONTROL_PLANE: Final = ("etcd", "kube-apiserver", "kubectl")
NODE: Final = (
    *CONTROL_PLANE, "versitygw", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns",
    "metrics-server", "helm", "kubeconform", "registry", "traefik", "pause",
)  # fmt: skip


def find(names: Iterable[str]) -> dict[str, Path]:
    """Paths of built programs; raise `MissingBinaries` naming those that are not there.

    `KUBEBUILDER_ASSETS`, the directory that kubebuilder's tools use, is looked at first.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    tools = all_tools()
    paths = {
        name: next((path for path in _candidates(tools[name], assets) if os.access(path, os.X_OK)), None)
        for name in names
    }
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise MissingBinaries(missing, assets or str(binaries_directory()))
    return {name: path for name, path in paths.items() if path is not None}


def build(names: Iterable[str], *, jobs: int | None, say: Callable[[str], None]) -> None:
    """Build what the cache lacks; two builds at once wait for each other.

    Raise `CommandFailed` with the compiler's words.
    """
    tools = all_tools()
    with _exclusive():
        for name in names:
            tool = tools[name]
            if not os.access(tool.path, os.X_OK):
                began = time.monotonic()
                say(f"building {tool.name} {tool.version} …")
                _build(tool, jobs)
                say(f"built {tool.name} in {time.monotonic() - began:.0f} s")
            _point(tool.link, tool.path)


def module_directory(module: str, version: str) -> Path:
    """Return where Go's module cache has the files of a module; downloads them when they are not there yet."""
    answer = _go(["mod", "download", "-json", f"{module}@{version}"], cwd=cache_directory())
    found = re.search(r'"Dir": "([^"]+)"', answer)
    if found is None:
        raise CommandFailed(f"`go mod download` of {module}@{version} named no directory:\n{answer}")
    return Path(found[1])


def _candidates(tool: Tool, assets: str | None) -> list[Path]:
    return [*([Path(assets) / tool.name] if assets else []), tool.path]


def _build(tool: Tool, jobs: int | None) -> None:
    limit = ["-p", str(jobs)] if jobs else []
    with tempfile.TemporaryDirectory(dir=binaries_directory(), prefix=".build-") as scratch:
        if tool.directory is None:
            _go(
                ["install", *limit, "-trimpath", "-ldflags", tool.flags, f"{tool.package}@{tool.version}"],
                gobin=scratch,
            )
        else:
            target = Path(scratch) / tool.name
            options = ["-trimpath", "-ldflags", tool.flags, "-o", str(target)]
            _go(["build", *limit, *options, tool.package], cwd=tool.directory)
        (Path(scratch) / tool.name).rename(tool.path)


def _go(arguments: list[str], *, cwd: Path | None = None, gobin: str | None = None) -> str:
    program = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if program is None:
        raise LocalClusterError(
            "Go is not installed; install Go 1.24 or newer (https://go.dev/doc/install) and try again"
        )
    environment = {**os.environ, "CGO_ENABLED": "0", **({"GOBIN": gobin} if gobin else {})}
    done = subprocess.run([program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"`go {' '.join(arguments)}` failed:\n{done.stderr.strip()[-4000:]}")
    return done.stdout


def _point(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == Path(target.name):
        return
    unfinished = link.with_name(f".{link.name}.link")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(target.name)
    unfinished.rename(link)


@contextmanager
def _exclusive() -> Iterator[None]:
    binaries_directory().mkdir(parents=True, exist_ok=True)
    with (binaries_directory() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
