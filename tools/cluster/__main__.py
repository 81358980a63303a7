"""Command line: `python -m tools.cluster COMMAND`."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from tools.cluster import images, tools
from tools.cluster.control_plane import ControlPlane
from tools.cluster.errors import LocalClusterError
from tools.cluster.kind import KindCluster, docker_runs
from tools.cluster.node import Node
from tools.cluster.paths import binaries_directory
from tools.cluster.terminal import say


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 done, 1 something failed (said on stderr, with what to do), 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except LocalClusterError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description="A real Kubernetes on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="build the programs of a node (once; they are kept by version)")
    build.add_argument("names", nargs="*", metavar="NAME", help=f"only these of: {', '.join(tools.all_tools())}")
    build.add_argument("--jobs", type=int, help="how many compilers may run at once (default: one per core)")
    build.set_defaults(run=_build)

    plane = commands.add_parser("control-plane", help="run etcd and kube-apiserver on free ports until Ctrl-C")
    plane.add_argument("--controllers", action="store_true", help="run kube-controller-manager too")
    plane.set_defaults(run=_control_plane)

    for name, run, text in (
        ("up", _up, "bring the cluster up (kind where Docker runs, else a node of its own); may be repeated"),
        ("down", _down, "end the cluster and everything it started"),
        ("status", _status, "what runs"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--kind", choices=("auto", "kind", "node"), default="auto", help="which cluster is meant")
        command.set_defaults(run=run)

    made = commands.add_parser("images", help="build the product's images and put them into the cluster's registry")
    made.add_argument("names", nargs="*", metavar="NAME", help=f"only these of: {', '.join(images.NAMES)}")
    made.add_argument("--version", default=images.project_version(), help="tag and label (default: %(default)s)")
    made.add_argument("--registry", help="push there instead, e.g. registry.example.com/loppestars")
    made.add_argument("--no-push", action="store_true", help="only build")
    made.add_argument("--kind", choices=("auto", "kind", "node"), default="auto", help="which cluster is meant")
    made.set_defaults(run=_images)

    load = commands.add_parser("load", help="import image archives (docker-archive) into the cluster")
    load.add_argument("archives", nargs="+", type=Path, metavar="ARCHIVE")
    load.add_argument("--kind", choices=("auto", "kind", "node"), default="auto", help="which cluster is meant")
    load.set_defaults(run=_load)
    return parser


def _cluster(options: argparse.Namespace) -> Node | KindCluster:
    if options.kind == "kind" or (options.kind == "auto" and docker_runs()):
        return KindCluster(say)
    return Node(say)


def _up(options: argparse.Namespace) -> None:
    cluster = _cluster(options)
    cluster.up()
    # For eval in a shell. The cluster's own helm and kubectl come first: few have a helm that knows these charts.
    print(f"export KUBECONFIG={cluster.kubeconfig}")  # noqa: T201 - the answer
    print(f'export PATH={binaries_directory()}:"$PATH"')  # noqa: T201 - the answer


def _down(options: argparse.Namespace) -> None:
    _cluster(options).down()
    say("the cluster is gone")


def _status(options: argparse.Namespace) -> None:
    for name, state in _cluster(options).status().items():
        print(f"{name:<28}{state}")  # noqa: T201 - the answer


def _images(options: argparse.Namespace) -> None:
    unknown = sorted(set(options.names) - set(images.NAMES))
    if unknown:
        raise LocalClusterError(f"unknown: {', '.join(unknown)}. Known are {', '.join(images.NAMES)}.")
    target = None if options.no_push else options.registry or _cluster(options)
    images.make(options.names or images.NAMES, options.version, target, say)


def _load(options: argparse.Namespace) -> None:
    cluster = _cluster(options)
    for archive in options.archives:
        if not archive.is_file():
            raise LocalClusterError(f"{archive} is not a file; name archives made by `docker save` or `buildah push`")
        if isinstance(cluster, Node):
            cluster.containerd.load(archive)
        else:
            cluster.load(archive)


def _build(options: argparse.Namespace) -> None:
    unknown = sorted(set(options.names) - set(tools.all_tools()))
    if unknown:
        raise LocalClusterError(f"unknown: {', '.join(unknown)}. Known are {', '.join(tools.all_tools())}.")
    tools.build(options.names or tools.NODE, jobs=options.jobs, say=say)


def _control_plane(options: argparse.Namespace) -> None:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with ControlPlane(controllers=options.controllers) as plane:
        say(f"ready at {plane.url}; Ctrl-C ends it and removes its data")
        print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)  # noqa: T201 - for eval in a shell
        ended.wait()


if __name__ == "__main__":
    sys.exit(main())
