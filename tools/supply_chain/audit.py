"""Ask an advisory database which locked packages are known to be vulnerable: `make audit`.

The database is OSV's export of PyPI's advisories, one JSON file for each (https://google.github.io/osv.dev/data/). It
is read from a file, so that a build without internet can be audited with the copy that it has.
"""

import argparse
import json
import os
import re
import sys
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tools.cluster.paths import REPOSITORY, cache_directory
from tools.supply_chain.sbom import python_components

DATABASE: Final = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Finding:
    """An advisory about a version that a lock installs."""

    lock: str
    package: str
    version: str
    advisory: str
    fixed: str
    summary: str

    def __str__(self) -> str:
        mended = f", fixed in {self.fixed}" if self.fixed else ", no fixed version is known"
        return f"{self.lock}: {self.package} {self.version} has {self.advisory}{mended}: {self.summary}"


def affects(affected: Mapping[str, Any], version: Version) -> bool:
    """Return whether an advisory's `affected` entry means this version (https://ossf.github.io/osv-schema/)."""
    if str(version) in affected.get("versions", ()):
        return True
    for span in affected.get("ranges", ()):
        if span["type"] != "ECOSYSTEM":
            continue
        inside = False
        for event in sorted(span["events"], key=_event_version):
            if "introduced" in event and (event["introduced"] == "0" or version >= Version(event["introduced"])):
                inside = True
            elif ("fixed" in event and version >= Version(event["fixed"])) or (
                "last_affected" in event and version > Version(event["last_affected"])
            ):
                inside = False
        if inside:
            return True
    return False


def findings(database: Path, locks: Mapping[str, str]) -> list[Finding]:
    """Return what the database knows of the packages in locks (name and text); withdrawn advisories do not count."""
    installed = {
        (lock, component["name"], component["version"])
        for lock, text in locks.items()
        for component in python_components(text)
    }
    names = {name for _, name, _ in installed}
    known: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for advisory in _advisories(database):
        for affected in advisory.get("affected", ()):
            name = canonicalize_name(affected.get("package", {}).get("name", ""))
            if name in names and "withdrawn" not in advisory:
                known.setdefault(name, []).append((advisory, affected))
    return sorted(
        (
            Finding(lock, name, version, advisory["id"], _fixed(affected), advisory.get("summary", ""))
            for lock, name, version in installed
            for advisory, affected in known.get(name, ())
            if affects(affected, Version(version))
        ),
        key=str,
    )


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 nothing is known, 1 something is (one line each), 2 there is no database."""
    parser = argparse.ArgumentParser(prog="python -m tools.supply_chain.audit", description=__doc__)
    parser.add_argument("--database", type=Path, help="OSV's all.zip of PyPI; without it, a copy is downloaded")
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="ID", help="an advisory that does not concern us"
    )
    options = parser.parse_args(arguments)
    try:
        database = options.database or _download()
        locks = {path.name: path.read_text() for path in sorted((REPOSITORY / "requirements").glob("*.txt"))}
        found = [each for each in findings(database, locks) if each.advisory not in options.ignore]
    except (OSError, zipfile.BadZipFile) as error:
        sys.stderr.write(
            f"There is no advisory database: {error}\nFetch {DATABASE} where there is internet, and name the file: "
            "make audit OSV=all.zip\n"
        )
        return 2
    sys.stdout.writelines(f"{each}\n" for each in found)
    sys.stdout.write(f"{len(found)} known vulnerabilities in {len(locks)} lock files.\n")
    return 1 if found else 0


def _advisories(database: Path) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(database) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def _download() -> Path:
    target = cache_directory() / "osv-pypi.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(DATABASE, timeout=_SECONDS) as answer:
        scratch = target.with_suffix(f".{os.getpid()}")
        scratch.write_bytes(answer.read())
    return scratch.rename(target)


def _event_version(event: Mapping[str, str]) -> Version:
    text = next(iter(event.values()))
    try:
        return Version(text)
    except InvalidVersion:
        return Version(re.sub(r"[^0-9.]", "", text).strip(".") or "0")


def _fixed(affected: Mapping[str, Any]) -> str:
    fixed = [event["fixed"] for span in affected.get("ranges", ()) for event in span["events"] if "fixed" in event]
    return ", ".join(dict.fromkeys(fixed))


if __name__ == "__main__":
    sys.exit(main())
