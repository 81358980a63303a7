"""How an image was built, as SLSA provenance: https://slsa.dev/spec/v1.0/provenance."""

import hashlib
import platform
from datetime import datetime
from typing import Any, Final

from tools.cluster.paths import REPOSITORY
from tools.supply_chain.sbom import requirements_of

TYPE: Final = "https://slsa.dev/provenance/v1"
_BUILD_TYPE: Final = "https://loppestars.dev/make-release/v1"


def provenance(  # noqa: PLR0913 - what a build consists of
    component: str, *, version: str, revision: str, base: str, began: datetime, ended: datetime
) -> dict[str, Any]:
    """Return what was built from which commit, base image and locks, and when.

    Args:
        component: the target of the Dockerfile.
        version: of the release.
        revision: the commit.
        base: name and digest of the base image.
        began: start of the build.
        ended: its end.
    """
    files = (REPOSITORY / "Dockerfile", *requirements_of(component))
    locks = [
        {
            "uri": f"file:{path.relative_to(REPOSITORY)}",
            "digest": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        }
        for path in files
    ]
    name, _, digest = base.partition("@sha256:")
    return {
        "buildDefinition": {
            "buildType": _BUILD_TYPE,
            "externalParameters": {"target": component, "version": version},
            "internalParameters": {"machine": platform.machine()},
            "resolvedDependencies": [
                {"uri": "git+file:.", "digest": {"gitCommit": revision.removesuffix("-dirty")}},
                {"uri": f"docker:{name}", "digest": {"sha256": digest}},
                *locks,
            ],
        },
        "runDetails": {
            "builder": {"id": "https://loppestars.dev/tools/release"},
            "metadata": {
                "startedOn": began.isoformat(timespec="seconds"),
                "finishedOn": ended.isoformat(timespec="seconds"),
                "invocationId": revision,
            },
        },
    }
