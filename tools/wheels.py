"""Ask the package index for which systems every locked package has a wheel: docs/systems.md.

    python3 -m tools.wheels

A package without one has to be built there: with Python alone when it is pure Python, else with a C compiler. uv
resolves for systems other than this one, https://docs.astral.sh/uv/pip/compatibility/.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tools.house import REPOSITORY

TARGET: Final = REPOSITORY / "docs" / "systems.md"
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS: Final = {
    "Linux, x86-64": "x86_64-manylinux_2_28",
    "Linux, arm64": "aarch64-manylinux_2_28",
    "macOS 14, arm64": "aarch64-apple-darwin",
    "macOS 14, x86-64": "x86_64-apple-darwin",
}
# What `make run` installs.
LOCK: Final = REPOSITORY / "requirements" / "local.txt"
_MISSING: Final = re.compile(r"Because (?P<package>[\w.-]+)==\S+ has no (?:usable )?wheels")
_HEAD: Final = """\
# Systems and Pythons

`make run` needs the packages of `requirements/local.txt`. For each system, those of them that the package index has no
wheel for. They are then built there: jstyleson and sqlitedict by Python alone, others by a C compiler. `make wheels`
asks again.

"""
_FOOT: Final = """
onnxruntime is too large to build along the way, and runs the face detector: Macs with Intel processors are not
supported.

Shown by tests on Linux: that the platform runs where prctl, `/proc`, `/sys/fs/cgroup`, Landlock and seccomp are
missing (`tests/local/test_other_systems.py`). As root, PostgreSQL then has to be yours (`DATABASE_URL`): it does not
run as root, and cannot enter root's folders without Linux's capabilities. Without the box around decoding, a photo is
still decoded in a process of its own with limits; `loppestars-imaging doctor` says which layers hold.

Not tried: a Mac itself. Windows is not supported; WSL is Linux.
"""


def without_wheels(lock: str, system: str, python: str) -> list[str]:
    """Return the packages of a lock that have no wheel for a system and a Python."""
    return list(_missing(lock, system, python))


def _missing(lock: str, system: str, python: str) -> Iterator[str]:
    while True:
        answer = _resolve(lock, system, python)
        if answer is None:
            return
        found = _MISSING.search(answer)
        if found is None:
            raise RuntimeError(answer)
        yield found["package"]
        # Without it, the next one shows.
        lock = re.sub(rf"^{re.escape(found['package'])}==(?:.*\\\n)*.*\n", "", lock, flags=re.MULTILINE)


def _resolve(lock: str, system: str, python: str) -> str | None:
    """Return uv's complaint about the lock, or None when there are wheels for all of it."""
    with tempfile.TemporaryDirectory() as name:
        requirements = Path(name, "requirements.txt")
        requirements.write_text(lock, encoding="utf-8")
        done = subprocess.run(
            [
                *(shutil.which("uv") or REPOSITORY / ".venv" / "bin" / "uv", "pip", "install", "--dry-run", "--quiet"),
                *("--no-deps", "--only-binary", ":all:", "--python-platform", system, "--python-version", python),
                *("--target", Path(name, "target"), "--requirements", requirements),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"},
        )
    return " ".join(done.stderr.split()) if done.returncode else None


def page(missing: Mapping[tuple[str, str], list[str]]) -> str:
    """Return the page: a row per system, a column per Python."""
    rows = [
        f"| system | {' | '.join(f'Python {python}' for python in PYTHONS)} |",
        f"|---|{'---|' * len(PYTHONS)}",
        *(
            f"| {system} | {' | '.join(', '.join(missing[system, python]) or 'all' for python in PYTHONS)} |"
            for system in SYSTEMS
        ),
    ]
    return _HEAD + "\n".join(rows) + "\n" + _FOOT


def main() -> int:
    """Ask, and write the page."""
    lock = LOCK.read_text(encoding="utf-8")
    missing = {
        (system, python): without_wheels(lock, platform, python)
        for system, platform in SYSTEMS.items()
        for python in PYTHONS
    }
    TARGET.write_text(page(missing), encoding="utf-8")
    sys.stdout.write(f"Wrote {TARGET.relative_to(REPOSITORY)}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
