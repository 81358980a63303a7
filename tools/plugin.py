"""Builds `kubectl loppestars`: one Python zip application, and the manifest with which krew installs it.

    .venv/bin/python -m tools.plugin [FOLDER]        (by default dist/)

What the application needs is taken from the environment that runs this, whose packages are locked by their hashes. The
zip unpacks itself once into the user's cache, since compiled packages cannot be imported from a zip.
"""

import hashlib
import io
import re
import shutil
import sys
import tarfile
import tempfile
import zipapp
from importlib.metadata import Distribution, distribution
from pathlib import Path
from string import Template
from typing import Final

import yaml
from packaging.requirements import Requirement

from tools.house import REPOSITORY

NAME: Final = "kubectl-loppestars"
OWN: Final = ("kubectl/loppestars_kubectl", "operator/loppestars_operator", "core/loppestars_core")
NEEDED: Final = ("typer", "rich", "pydantic", "pydantic-settings", "pyyaml", "packaging")
HOME: Final = "https://github.com/loppestars/loppestars"
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "migrations", "*.dist-info", "tests")

LAUNCHER: Final = Template('''"""Unpacks the application once, and runs it."""

import os
import pathlib
import sys
import tempfile
import zipfile

DIGEST, BUILT_FOR = "$digest", "$built_for"


def main():
    if sys.version_info < (3, 11):
        sys.exit("kubectl loppestars needs Python 3.11 or newer, this is " + sys.version.split()[0])
    caches = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "$name"
    folder = caches / DIGEST
    if not folder.is_dir():
        caches.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=caches) as scratch:
            zipfile.ZipFile(pathlib.Path(__file__).parent).extractall(pathlib.Path(scratch) / "new")
            try:
                os.replace(pathlib.Path(scratch) / "new", folder)
            except OSError:
                if not folder.is_dir():  # unpacked by another process meanwhile
                    raise
    os.environ["KUBECTL_LOPPESTARS_BUILT_FOR"] = BUILT_FOR
    sys.path.insert(0, str(folder))
    from loppestars_kubectl.main import main as run

    run()


main()
''')


def closure(names: tuple[str, ...]) -> list[Distribution]:
    """Return the installed distributions of these names and all that they need here."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found[name] = distribution(name)
            needs = [Requirement(text) for text in found[name].requires or ()]
            waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return [found[name] for name in sorted(found)]


def gather(folder: Path) -> None:
    """Copy the application and what it needs into a folder."""
    for source in OWN:
        shutil.copytree(REPOSITORY / source, folder / Path(source).name, ignore=_LEFT_OUT)
    for package in closure(NEEDED):
        for file in package.files or ():
            inside = not file.parts[0].endswith(".dist-info") and ".." not in file.parts
            if inside and file.suffix != ".pyc" and (found := Path(str(file.locate()))).is_file():
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found, target)
    about = distribution("loppestars")
    metadata = folder / f"loppestars-{about.version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: loppestars\nVersion: {about.version}\n", encoding="utf-8")


def digest_of(folder: Path) -> str:
    """Return a hash of all files in a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def krew_manifest(version: str, archive: str, sha256: str) -> str:
    """Return the manifest with which krew installs the plugin, https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/."""
    platform = {
        "selector": {"matchExpressions": [{"key": "os", "operator": "In", "values": ["darwin", "linux"]}]},
        "uri": f"{HOME}/releases/download/v{version}/{archive}",
        "sha256": sha256,
        "files": [{"from": "*", "to": "."}],
        "bin": NAME,
    }
    manifest = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "loppestars"},
        "spec": {
            "version": f"v{version}",
            "homepage": HOME,
            "shortDescription": "State, changes, crawls, sleep and backups of Loppestars",
            "description": "Shows a LoppestarsStack as a tree with reasons, and what a change of it would do;\n"
            "asks for crawls, retries, backups, drills and restores; pauses, hibernates and wakes.\n",
            "caveats": "Needs Python 3.11 or newer as python3.\n",
            "platforms": [platform],
        },
    }
    return yaml.safe_dump(manifest, sort_keys=False, width=120)


def build(target: Path) -> Path:
    """Write the application, krew's archive of it and krew's manifest into a folder; return the application's path."""
    target.mkdir(parents=True, exist_ok=True)
    version, program = distribution("loppestars").version, target / NAME
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "application"
        folder.mkdir()
        gather(folder)
        built_for = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor} on {sys.platform}"
        launcher = LAUNCHER.substitute(digest=digest_of(folder), built_for=built_for, name=NAME)
        (folder / "__main__.py").write_text(launcher, encoding="utf-8")
        zipapp.create_archive(folder, program, interpreter="/usr/bin/env python3", compressed=True)
    archive = target / f"{NAME}-{version}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for path in (program, REPOSITORY / "LICENSE"):
            entry = tarfile.TarInfo(path.name)
            entry.size, entry.mode = path.stat().st_size, 0o755 if path == program else 0o644
            packed.addfile(entry, io.BytesIO(path.read_bytes()))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    (target / "loppestars.krew.yaml").write_text(krew_manifest(version, archive.name, sha256), encoding="utf-8")
    return program


def main(arguments: list[str]) -> int:
    """Build into the folder that is named, or dist/."""
    program = build(Path(arguments[0]) if arguments else REPOSITORY / "dist")
    sys.stdout.write(
        f"Wrote {program} ({program.stat().st_size / 1e6:.1f} MB). On the PATH it is `kubectl loppestars`.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
