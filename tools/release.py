"""`make release REGISTRY=…`: the images and the charts of one version, pushed as OCI artefacts.

REGISTRY/api:VERSION, …/imaging, …     images of every component
REGISTRY/charts/loppestars-operator:VERSION, …              charts

Next to each lies its signature, and next to an image what is in it (CycloneDX) and how it was built (SLSA), signed
too; docs/releases.md says how to verify them.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from tools.cluster import images, tools
from tools.cluster.errors import CommandFailed, LocalClusterError
from tools.cluster.paths import REPOSITORY
from tools.cluster.processes import run
from tools.cluster.terminal import say
from tools.supply_chain import provenance, sbom
from tools.supply_chain.registry import Repository
from tools.supply_chain.signing import attest, load_key, sign_image

CHARTS: Final = ("loppestars-crds", "loppestars-operator", "loppestars-stack")


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 released, 1 not (said on stderr, with what to do), 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.release", description="Push the images and charts of a version."
    )
    parser.add_argument("--registry", required=True, help="prefix of everything pushed, e.g. ghcr.io/loppestars")
    parser.add_argument("--key", type=Path, help="private key (PEM, ECDSA) that signs everything pushed")
    parser.add_argument("--unsigned", action="store_true", help="release without signatures and attestations")
    parser.add_argument("--charts-only", action="store_true", help="push no images")
    parser.add_argument("--dirty", action="store_true", help="release a working tree that is not a commit")
    options = parser.parse_args(arguments)
    if options.key is None and not options.unsigned:
        parser.error("name the key that signs (--key, KEY=release.key), or say --unsigned (UNSIGNED=1)")
    try:
        key = load_key(options.key) if options.key else None
        release(options.registry.rstrip("/"), key, charts_only=options.charts_only, dirty=options.dirty)
    except LocalClusterError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def release(registry: str, key: EllipticCurvePrivateKey | None, *, charts_only: bool, dirty: bool) -> None:
    """Push everything, sign it with `key`, and print what was pushed with its digest."""
    version = images.project_version()
    if wrong := other_versions(version):
        raise LocalClusterError(f"pyproject.toml says {version}, but {'; '.join(wrong)}. Make them equal.")
    if images.revision().endswith("-dirty") and not dirty:
        raise LocalClusterError("the working tree differs from its commit; commit first, or say --dirty")
    if not charts_only:
        build = images.builder(say)
        if "@sha256:" not in (base := build.base()):
            raise LocalClusterError(
                f"the base image {base or 'of the Dockerfile'} is named by its tag, which may be another image "
                "tomorrow: set BASE_IMAGE=name@sha256:…"
            )
        for component in images.COMPONENTS:
            image = images.product_image(component)
            local, target = f"{images.REGISTRY}/{component}:{version}", f"{registry}/{component}:{version}"
            say(f"building {component} …")
            began = datetime.now(UTC)
            build.build(image, local, images.arguments_of(image, version))
            digest = build.push(local, target)
            _tell(target, digest)
            if key is not None:
                ended = datetime.now(UTC)
                repository = Repository(f"{registry}/{component}")
                packages = build.read(local, "/var/lib/dpkg/status")
                predicates = {
                    sbom.TYPE: sbom.bill_of_materials(component, version, packages, ended, digest),
                    provenance.TYPE: provenance.provenance(
                        component, version=version, revision=images.revision(), base=base, began=began, ended=ended
                    ),
                }
                sign_image(repository, digest, key)
                attest(repository, digest, predicates, key)
    for chart in CHARTS:
        digest = push_chart(chart, registry)
        _tell(f"oci://{registry}/charts/{chart}:{version}", digest)
        if key is not None:
            sign_image(Repository(f"{registry}/charts/{chart}"), digest, key)


def other_versions(version: str) -> list[str]:
    """Return where a chart says another version than the project's; empty when all agree."""
    wrong = []
    for chart in CHARTS:
        text = (REPOSITORY / "charts" / chart / "Chart.yaml").read_text()
        # Its own, its application's, and those of the charts it depends on, which are ours too.
        for name, found in re.findall(r"^\s*(version|appVersion): (\S+)$", text, re.MULTILINE):
            if found != version:
                wrong.append(f"charts/{chart}/Chart.yaml says {name} {found}")
    return wrong


def push_chart(chart: str, registry: str) -> str:
    """Package a chart and push it; return the digest."""
    helm = tools.find(["helm"])["helm"]
    with tempfile.TemporaryDirectory() as folder:
        run([helm, "package", REPOSITORY / "charts" / chart, f"--destination={folder}"])
        (archive,) = Path(folder).glob("*.tgz")
        plain = ["--plain-http"] if images.is_local(registry) else []
        command: list[str | Path] = [helm, "push", archive, f"oci://{registry}/charts", *plain]
        # Helm tells the digest on stderr.
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = re.search(r"sha256:[0-9a-f]{64}", done.stdout)
    if done.returncode or found is None:
        raise CommandFailed(f"`helm push` of {chart} failed:\n{done.stdout.strip()}")
    return found[0]


def _tell(name: str, digest: str) -> None:
    print(f"{name}@{digest}", flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    sys.exit(main())
