"""Building the product's images, and those of the development services, with Docker or buildah.

With buildah there is no base image to pull: one is made once by debootstrap. Everything lies below our cache.
"""

import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.cluster import debian, tools
from tools.cluster.errors import CommandFailed, UnsupportedMachine
from tools.cluster.kind import KindCluster, docker_runs
from tools.cluster.node import Node
from tools.cluster.paths import REPOSITORY, cache_directory
from tools.cluster.processes import run

COMPONENTS: Final = ("api", "imaging", "crawler", "operator", "backup")
# What development clusters need besides: a target of the same Dockerfile, and images with a folder of their own.
SAMPLE_SITE: Final = "sample-site"
SERVICES: Final = (SAMPLE_SITE, "postgres", "versitygw")
NAMES: Final = (*COMPONENTS, *SERVICES)
REGISTRY: Final = "ghcr.io/loppestars"
DEBIAN_RELEASE: Final = "bookworm"
BUILD_TIMEOUT: Final = 1800.0


@dataclass(frozen=True)
class Image:
    """One image to build: a target of a Dockerfile, and the build arguments that are its own."""

    name: str
    dockerfile: Path
    context: Path
    target: str | None = None
    downloads_over_https: bool = False


def product_image(component: str) -> Image:
    return Image(component, REPOSITORY / "Dockerfile", REPOSITORY, component, downloads_over_https=True)


def service_image(name: str) -> Image:
    """PostgreSQL, the S3 server and the sample site of development clusters."""
    if name == SAMPLE_SITE:
        return product_image(name)
    directory = REPOSITORY / "k8s" / "dev" / name
    return Image(name, directory / "Dockerfile", directory)


class Buildah:
    """buildah as root, its storage in our cache and its commands in a chroot instead of a container."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        directory = cache_directory() / "buildah"
        self._options = [
            f"--root={directory / 'storage'}",
            f"--runroot={directory / 'run'}",
            "--storage-driver=overlay",
        ]

    def build(self, image: Image, name: str, arguments: Mapping[str, str]) -> None:
        """Build `image` as `name`; layers of earlier builds are used again."""
        given = {"BASE_IMAGE": os.environ.get("BASE_IMAGE") or self._debian_base(), **arguments}
        options = [f"--build-arg={key}={value}" for key, value in given.items()]
        if image.downloads_over_https:
            options += self._https_volumes()
        if image.target:
            options.append(f"--target={image.target}")
        self._run("bud", "--isolation=chroot", "--layers", *options,
                  f"--file={image.dockerfile}", f"--tag={name}", image.context)  # fmt: skip

    def push(self, name: str, destination: str) -> str:
        """Push an image, and return the digest under which the registry knows it."""
        # Our registry on this machine speaks plain HTTP, and compressing for it costs more than it saves.
        local = ["--tls-verify=false", "--disable-compression"] if is_local(destination) else []
        with tempfile.NamedTemporaryFile("r") as digest:
            self._run("push", "--quiet", f"--digestfile={digest.name}", *local, name, f"docker://{destination}")
            return digest.read().strip()

    def save(self, name: str, archive: Path) -> None:
        archive.unlink(missing_ok=True)
        self._run("push", "--quiet", name, f"docker-archive:{archive}:{name}")

    def size(self, name: str) -> str:
        """Return the image's size, uncompressed, for people."""
        return self._run("images", "--format={{.Size}}", name).splitlines()[0]

    def base(self) -> str:
        """Return the base image with its digest, where it has one."""
        if given := os.environ.get("BASE_IMAGE"):
            return given
        name = self._debian_base()
        return f"{name}@{self._run('images', '--format={{.Digest}}', name).strip()}"

    def read(self, name: str, path: str) -> str:
        """Return the text of a file in an image."""
        container = self._run("from", "--pull-never", name).strip()
        try:
            return (Path(self._run("mount", container).strip()) / path.lstrip("/")).read_text()
        finally:
            self._run("rm", container)

    def _https_volumes(self) -> list[str]:
        downloads = cache_directory() / "uv"
        downloads.mkdir(parents=True, exist_ok=True)
        # Behind a private certificate authority builds need its bundle as the machine has it.
        private = ["--volume=/etc/ssl/certs:/etc/ssl/certs:ro"] if os.environ.get("SSL_CERT_FILE") else []
        return [f"--volume={downloads}:/var/cache/uv", *private]

    def _debian_base(self) -> str:
        """Return a minimal Debian with Python, made by debootstrap the first time."""
        name = f"localhost/loppestars-base:{DEBIAN_RELEASE}"
        if name in self._run("images", "--format={{.Name}}:{{.Tag}}").split():
            return name
        root = cache_directory() / "base" / "root"
        done = root.parent / "complete"
        if not done.exists():
            self._say(f"making a base image of Debian {DEBIAN_RELEASE} (once; about a minute)")
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            run(["debootstrap", "--variant=minbase", "--include=python3,ca-certificates", DEBIAN_RELEASE, root],
                timeout=BUILD_TIMEOUT)  # fmt: skip
            _slim_down(root)
            done.touch()
        container = self._run("from", "scratch").strip()
        self._run("add", "--quiet", container, root, "/")
        self._run("commit", "--quiet", container, name)
        self._run("rm", container)
        shutil.rmtree(root.parent)
        return name

    def _run(self, command: str, *arguments: str | Path) -> str:
        return run(["buildah", *self._options, command, *arguments], timeout=BUILD_TIMEOUT)


class Docker:
    """The same by a Docker engine."""

    def build(self, image: Image, name: str, arguments: Mapping[str, str]) -> None:
        base = os.environ.get("BASE_IMAGE")
        given = {**({"BASE_IMAGE": base} if base else {}), **arguments}
        options = [f"--build-arg={key}={value}" for key, value in given.items()]
        if image.target:
            options.append(f"--target={image.target}")
        run(["docker", "build", "--quiet", *options, f"--file={image.dockerfile}", f"--tag={name}", image.context],
            timeout=BUILD_TIMEOUT)  # fmt: skip

    def push(self, name: str, destination: str) -> str:
        """Push an image, and return the digest under which the registry knows it."""
        run(["docker", "tag", name, destination])
        run(["docker", "push", "--quiet", destination], timeout=BUILD_TIMEOUT)
        pushed = run(["docker", "image", "inspect", "--format={{range .RepoDigests}}{{println .}}{{end}}", destination])
        repository = destination.rpartition(":")[0]
        return next(line.rpartition("@")[2] for line in pushed.splitlines() if line.startswith(f"{repository}@"))

    def save(self, name: str, archive: Path) -> None:
        run(["docker", "save", "--output", archive, name], timeout=BUILD_TIMEOUT)

    def base(self) -> str:
        """Return the base image as it was named; the Dockerfile's own is named by its tag."""
        return os.environ.get("BASE_IMAGE", "")

    def read(self, name: str, path: str) -> str:
        """Return the text of a file in an image."""
        return run(["docker", "run", "--rm", "--entrypoint=cat", name, path])

    def size(self, name: str) -> str:
        return f"{int(run(['docker', 'image', 'inspect', '--format={{.Size}}', name])) / 1e6:.0f} MB"


def builder(say: Callable[[str], None]) -> Buildah | Docker:
    """Docker where its engine runs, else buildah; raise `UnsupportedMachine` without root."""
    if docker_runs():
        return Docker()
    if os.geteuid() != 0:
        raise UnsupportedMachine("building images without Docker needs root (chroot, debootstrap): run it with sudo")
    debian.ensure(debian.IMAGE_PROGRAMS, say)
    return Buildah(say)


def make(
    names: Iterable[str], version: str, target: str | Node | KindCluster | None, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Build images and hand them to `target`: a registry's prefix, a local cluster, or nobody."""
    build = builder(say)
    for name in names:
        began = time.monotonic()
        image = product_image(name) if name in COMPONENTS else service_image(name)
        local = f"{REGISTRY}/{name}:{version}"
        build.build(image, local, arguments_of(image, version))
        if isinstance(target, str):
            build.push(local, f"{target}/{name}:{version}")
        elif isinstance(target, Node):
            build.push(local, local.replace(target.registry_for_pulls, target.registry_for_pushes))
            # The same tag means something else now: the next pod is to pull it again.
            target.containerd.forget(local)
        elif target is not None:
            with tempfile.TemporaryDirectory() as scratch:
                archive = Path(scratch) / f"{name}.tar"
                build.save(local, archive)
                target.load(archive)
        say(f"{local}: {build.size(local)}, built in {time.monotonic() - began:.0f} s")


def project_version() -> str:
    """Return the version in pyproject.toml."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def arguments_of(image: Image, version: str) -> dict[str, str]:
    """Build arguments: what the labels say, and the programs that a service's image takes from our cache."""
    if image.name == "versitygw":
        # The context is the folder of its Dockerfile; a program from our cache is put beside it for the build.
        program = tools.find(["versitygw"])["versitygw"]
        shutil.copy2(program, image.context / "versitygw")
    return {"VERSION": version, "REVISION": revision()}


def revision() -> str:
    """Return the commit of the working tree, marked when there is more than the commit."""
    try:
        commit = run(["git", "-C", REPOSITORY, "rev-parse", "HEAD"]).strip()
        changed = run(["git", "-C", REPOSITORY, "status", "--porcelain"]).strip()
    except CommandFailed:
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def is_local(image: str) -> bool:
    """Return whether the image's registry is on this machine: loopback, or the node's own address."""
    host = image.partition("/")[0].partition(":")[0]
    return host in {"localhost", "127.0.0.1", "10.88.0.1"}


def _slim_down(root: Path) -> None:
    """Remove what no program reads: downloaded packages, package lists, manuals, translations."""
    emptied = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale",
               "usr/share/info", "var/log")  # fmt: skip
    for directory in emptied:
        shutil.rmtree(root / directory, ignore_errors=True)
    for needed in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt"):
        (root / needed).mkdir(parents=True, exist_ok=True)
