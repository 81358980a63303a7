"""Command line: `python -m k8s.local COMMAND`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

from k8s.local import tools
from k8s.local.control_plane import ControlPlane
from k8s.local.errors import LocalClusterError
from k8s.local.terminal import say


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
    parser = argparse.ArgumentParser(prog="python -m k8s.local", description="A real Kubernetes on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="build the programs of a node (once; they are kept by version)")
    build.add_argument("names", nargs="*", metavar="NAME", help=f"only these of: {', '.join(tools.all_tools())}")
    build.add_argument("--jobs", type=int, help="how many compilers may run at once (default: one per core)")
    build.set_defaults(run=_build)

    plane = commands.add_parser("control-plane", help="run etcd and kube-apiserver on free ports until Ctrl-C")
    plane.add_argument("--controllers", action="store_true", help="run kube-controller-manager too")
    plane.set_defaults(run=_control_plane)
    return parser


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
