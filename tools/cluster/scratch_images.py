"""Images of one static binary each, written as the archives that `docker load` and `ctr images import` read.

The cluster's own programs need no base image, no builder and no registry: an image is a tar file with one layer.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Final

NOBODY: Final = 65532


def write_image(archive: Path, image: str, binary: Path, *, architecture: str) -> Path:
    """Write `image` (name and tag), which runs `binary` as /<its name> without root, to `archive`."""
    program = image.rpartition("/")[2].partition(":")[0]
    layer = _layer(program, binary)
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": [f"/{program}"], "User": f"{NOBODY}:{NOBODY}", "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created_by": f"loppestars: {binary.name}"}],
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    layer_name = f"{digest}/layer.tar"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [image], "Layers": [layer_name]}]).encode()
    unfinished = archive.with_suffix(".part")
    with tarfile.open(unfinished, "w") as tar:
        for name, content in ((layer_name, layer), (config_name, config), ("manifest.json", manifest)):
            _add(tar, name, content)
    unfinished.rename(archive)
    return archive


def _layer(program: str, binary: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add(tar, program, binary.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = mode
    tar.addfile(member, io.BytesIO(content))
