"""The provider as a process, which `run` starts without the half second that a command line takes to be read."""

import os
import sys

from loppestars_local.openid.server import serve_provider

if __name__ == "__main__":
    redirects = frozenset({os.environ["OPENID_REDIRECT"]})
    sys.exit(serve_provider(int(os.environ["OPENID_PORT"]), os.environ["OPENID_SECRET"], redirects))
