"""Signatures and attestations as cosign makes and verifies them, with a key of one's own.

https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
https://github.com/secure-systems-lab/dsse/blob/master/protocol.md

    openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 -nocrypt -out release.key
    openssl ec -in release.key -pubout -out release.pub
    cosign verify --key release.pub --insecure-ignore-tlog ghcr.io/you/api:0.1.0
    cosign verify-attestation --key release.pub --insecure-ignore-tlog --type cyclonedx ghcr.io/you/api:0.1.0
"""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from tools.cluster.errors import LocalClusterError
from tools.supply_chain.registry import Layer, Repository

_SIMPLE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_ENVELOPE: Final = "application/vnd.dsse.envelope.v1+json"
_STATEMENT: Final = "application/vnd.in-toto+json"
_SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_HASH: Final = ec.ECDSA(SHA256())


class KeyUnusable(LocalClusterError):
    """The file does not hold an ECDSA key; the message says how to make one."""


class SignatureRefused(LocalClusterError):
    """What the registry holds is not signed by the key, or speaks of another image."""


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a private key (PEM, not encrypted); raise `KeyUnusable`."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise KeyUnusable(
            f"{path} is not a private key in PEM form ({error}); make one: see docs/releases.md"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyUnusable(f"{path} is not an ECDSA key; make one: see docs/releases.md")
    return key


def sign_image(repository: Repository, digest: str, key: ec.EllipticCurvePrivateKey) -> str:
    """Push a signature of the image `digest`; return where it lies."""
    payload = {
        "critical": {
            "identity": {"docker-reference": repository.name},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    content = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
    signature = base64.b64encode(key.sign(content, _HASH)).decode()
    tag = _tag(digest, "sig")
    repository.push(tag, [Layer(_SIMPLE, content, {_SIGNATURE: signature})])
    return f"{repository.name}:{tag}"


def attest(repository: Repository, digest: str, predicates: Mapping[str, Any], key: ec.EllipticCurvePrivateKey) -> str:
    """Push signed statements about the image `digest`, one for each type of predicate; return where they lie."""
    layers = []
    for kind, predicate in predicates.items():
        subject = [{"name": repository.name, "digest": {"sha256": digest.removeprefix("sha256:")}}]
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": kind,
            "predicate": predicate,
        }
        body = json.dumps(statement, separators=(",", ":")).encode()
        envelope = {
            "payloadType": _STATEMENT,
            "payload": base64.b64encode(body).decode(),
            "signatures": [{"keyid": "", "sig": base64.b64encode(key.sign(_encoded(body), _HASH)).decode()}],
        }
        layers.append(Layer(_ENVELOPE, json.dumps(envelope).encode(), {_SIGNATURE: "", "predicateType": kind}))
    tag = _tag(digest, "att")
    repository.push(tag, layers)
    return f"{repository.name}:{tag}"


def verify(repository: Repository, digest: str, public_key: bytes) -> dict[str, Any]:
    """Return the predicates that are stated of the image, by type; raise `SignatureRefused` unless all is signed."""
    key = load_pem_public_key(public_key)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeyUnusable("the public key is not an ECDSA key")
    try:
        signatures = repository.pull(_tag(digest, "sig"))
        if not signatures:
            raise SignatureRefused(f"{repository.name}@{digest} is not signed")
        for layer in signatures:
            key.verify(base64.b64decode(layer.annotations.get(_SIGNATURE, "")), layer.content, _HASH)
            if json.loads(layer.content)["critical"]["image"]["docker-manifest-digest"] != digest:
                raise SignatureRefused(f"the signature is of another image than {digest}")
        return dict(_stated(repository, digest, key))
    except InvalidSignature:
        raise SignatureRefused(f"{repository.name}@{digest} is not signed by this key") from None


def _stated(repository: Repository, digest: str, key: ec.EllipticCurvePublicKey) -> Iterator[tuple[str, Any]]:
    for layer in repository.pull(_tag(digest, "att")):
        envelope = json.loads(layer.content)
        body = base64.b64decode(envelope["payload"])
        key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), _encoded(body), _HASH)
        statement = json.loads(body)
        if statement["subject"][0]["digest"]["sha256"] != digest.removeprefix("sha256:"):
            raise SignatureRefused(f"a statement is of another image than {digest}")
        yield statement["predicateType"], statement["predicate"]


def _encoded(body: bytes) -> bytes:
    """Return what is signed of a statement: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(_STATEMENT), _STATEMENT.encode(), len(body), body)


def _tag(digest: str, ending: str) -> str:
    return f"{digest.replace(':', '-')}.{ending}"
