"""A registry's blobs and manifests over HTTP, as far as signatures and attestations need them.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import base64
import hashlib
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Final

from tools.cluster.errors import CommandFailed
from tools.cluster.images import is_local

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_SECONDS: Final = 60


class ArtefactMissing(CommandFailed):
    """The registry has nothing under that name."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of an artefact, with what its manifest says of it."""

    media_type: str
    content: bytes
    annotations: Mapping[str, str]

    @property
    def descriptor(self) -> dict[str, Any]:
        """How a manifest names it."""
        return {
            "mediaType": self.media_type,
            "digest": digest_of(self.content),
            "size": len(self.content),
            "annotations": dict(self.annotations),
        }


class Repository:
    """A repository such as `ghcr.io/loppestars/api`. Every call raises `CommandFailed` where the registry refuses."""

    def __init__(self, name: str) -> None:
        self.name = name
        host, _, self._path = name.partition("/")
        self._url = f"{'http' if is_local(name) else 'https'}://{host}/v2/{self._path}"
        self._host = host
        self._token = ""

    def push(self, tag: str, layers: Sequence[Layer]) -> str:
        """Push an artefact under a tag; return its digest."""
        platform = json.dumps({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": [
            digest_of(layer.content) for layer in layers]}}).encode()  # fmt: skip
        for content in (platform, *(layer.content for layer in layers)):
            self._upload(content)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest_of(platform), "size": len(platform)},
            "layers": [layer.descriptor for layer in layers],
        }
        body = json.dumps(manifest).encode()
        self._call("PUT", f"{self._url}/manifests/{tag}", body, {"Content-Type": MANIFEST})
        return digest_of(body)

    def pull(self, tag: str) -> list[Layer]:
        """Return the layers of an artefact, each checked against its digest; none where there is no artefact."""
        try:
            manifest = json.load(self._call("GET", f"{self._url}/manifests/{tag}", headers={"Accept": MANIFEST}))
        except ArtefactMissing:
            return []
        layers = []
        for layer in manifest["layers"]:
            content = self._call("GET", f"{self._url}/blobs/{layer['digest']}").read()
            if digest_of(content) != layer["digest"]:
                raise CommandFailed(f"{self.name}:{tag} has a layer that is not {layer['digest']}")
            layers.append(Layer(layer["mediaType"], content, layer.get("annotations", {})))
        return layers

    def _upload(self, content: bytes) -> None:
        begun = self._call("POST", f"{self._url}/blobs/uploads/", b"")
        place = urllib.parse.urljoin(f"{self._url}/", begun.headers["Location"])
        place += f"{'&' if '?' in place else '?'}digest={digest_of(content)}"
        self._call("PUT", place, content, {"Content-Type": "application/octet-stream"})

    def _call(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        bearer = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        request = urllib.request.Request(url, body, {**(headers or {}), **bearer}, method=method)  # noqa: S310 - http(s)
        try:
            answer: HTTPResponse = urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310 - see above
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                raise ArtefactMissing(f"{url} is not there") from None
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code != HTTPStatus.UNAUTHORIZED or self._token or not challenge.startswith("Bearer "):
                raise CommandFailed(f"{method} {url} is answered with {error.code} {error.reason}") from None
            self._token = self._sign_in(dict(re.findall(r'(\w+)="([^"]*)"', challenge)))
            return self._call(method, url, body, headers)
        except OSError as error:
            raise CommandFailed(f"{url} cannot be reached: {error}") from None
        return answer

    def _sign_in(self, challenge: Mapping[str, str]) -> str:
        """Return a token for pushing here, with what `docker login` or `buildah login` has noted."""
        words = urllib.parse.urlencode(
            {"service": challenge.get("service", ""), "scope": f"repository:{self._path}:pull,push"}
        )
        request = urllib.request.Request(f"{challenge['realm']}?{words}")  # noqa: S310 - the registry's own address
        if known := _noted_login(self._host):
            request.add_header("Authorization", f"Basic {known}")
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - see above
                found = json.load(answer)
        except OSError as error:
            raise CommandFailed(f"{self._host} gives no token ({error}): log in first, e.g. docker login") from None
        return str(found.get("token") or found["access_token"])


def digest_of(content: bytes) -> str:
    """Return the digest by which registries name content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _noted_login(host: str) -> str:
    files = (
        os.environ.get("REGISTRY_AUTH_FILE", ""),
        f"{os.environ.get('DOCKER_CONFIG', Path.home() / '.docker')}/config.json",
        f"{os.environ.get('XDG_RUNTIME_DIR', f'/run/user/{os.geteuid()}')}/containers/auth.json",
    )
    for path in filter(os.path.isfile, files):
        login = json.loads(Path(path).read_text()).get("auths", {}).get(host, {}).get("auth")
        if login:
            base64.b64decode(login, validate=True)
            return str(login)
    return ""
