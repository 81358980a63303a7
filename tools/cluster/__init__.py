"""A real Kubernetes on one machine: a control plane in seconds, a node in half a minute, both without Docker.

`python -m tools.cluster --help` is the command line; `docs/cluster.md` says how it works. Only the standard library is
used, so that a machine with Python and nothing else can start here.
"""
