"""What can go wrong on the way to a cluster; each message ends with what to do next.

LocalClusterError
├── MissingBinaries     a program has not been built or found
├── UnsupportedMachine  this machine cannot carry the asked-for kind of cluster
├── CommandFailed       a program that we ran answered with an error
└── NotReady            something that we started did not get ready in time
"""


class LocalClusterError(Exception):
    """Base of all errors of this package; its message is meant for the person at the terminal."""


class MissingBinaries(LocalClusterError):
    def __init__(self, names: list[str], where: str) -> None:
        self.names = names
        super().__init__(
            f"not found in {where}: {', '.join(names)}. Build them once with `make cluster-tools` (needs Go; minutes), "
            "or set KUBEBUILDER_ASSETS to a directory that holds etcd, kube-apiserver and kubectl.",
        )


class UnsupportedMachine(LocalClusterError):
    pass


class CommandFailed(LocalClusterError):
    pass


class NotReady(LocalClusterError):
    pass
