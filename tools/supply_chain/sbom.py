"""What is in an image, as CycloneDX: the locked Python packages with their hashes, and the packages of its system.

https://cyclonedx.org/docs/1.6/json/
"""

import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from tools.cluster.paths import REPOSITORY

TYPE: Final = "https://cyclonedx.org/bom"
_PINNED: Final = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)(?:\s*;\s*(?P<marker>[^\\]+))?"
)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# Which locks an image is built from, besides the one of its name.
_MORE_LOCKS: Final = {"imaging": ("models",)}
# Where images run, whatever machine they are built on.
_TARGET: Final = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "python_version": "3.11",
    "python_full_version": "3.11.2",
}


def python_components(lock: str, machine: str = "x86_64") -> Iterator[dict[str, Any]]:
    """Yield what a lock file installs on Linux of that machine."""
    for entry in re.split(r"\n(?=[A-Za-z0-9])", lock):
        found = _PINNED.match(entry)
        if found is None:
            continue
        marker = found["marker"]
        if marker and not Marker(marker.strip()).evaluate({**_TARGET, "platform_machine": machine}):
            continue
        name, version = canonicalize_name(found["name"]), found["version"]
        purl = f"pkg:pypi/{name}@{version}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            # One for each file of the release that may be installed.
            "properties": [{"name": "loppestars:sha256", "value": sha256} for sha256 in _HASH.findall(entry)],
        }


def system_components(dpkg_status: str, release: str = "debian-12") -> Iterator[dict[str, Any]]:
    """Yield the packages that Debian's own record in the image lists as installed."""
    for paragraph in dpkg_status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", paragraph, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        purl = f"pkg:deb/debian/{name}@{version}?arch={fields['Architecture']}&distro={release}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def bill_of_materials(component: str, version: str, dpkg_status: str, made_at: datetime, digest: str) -> dict[str, Any]:
    """Return the CycloneDX document of a component's image."""
    found: dict[str, dict[str, Any]] = {}
    for name in (component, *_MORE_LOCKS.get(component, ())):
        for each in python_components((REPOSITORY / "requirements" / f"{name}.txt").read_text()):
            found[each["bom-ref"]] = each
    found |= {each["bom-ref"]: each for each in system_components(dpkg_status)}
    subject = f"pkg:oci/{component}@{digest}?tag={version}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": made_at.isoformat(timespec="seconds"),
            "component": {
                "type": "container",
                "bom-ref": subject,
                "name": f"loppestars-{component}",
                "version": version,
                "purl": subject,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": list(found.values()),
        "dependencies": [{"ref": subject, "dependsOn": list(found)}],
    }


def requirements_of(component: str) -> list[Path]:
    """Return the lock files that an image is built from."""
    return [REPOSITORY / "requirements" / f"{name}.txt" for name in (component, *_MORE_LOCKS.get(component, ()))]
