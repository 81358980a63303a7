"""The keys that sign access tokens: ES256, each named by its thumbprint, so that they can be rotated."""

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

ALGORITHM: Final = "ES256"
_PEM: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_COORDINATE_BYTES: Final = 32


class SigningKeyUnusable(ValueError):
    """A key is not one for ES256; the message says what to do, without repeating any of it."""


class SigningKeys:
    """Signs with the first of the private keys, and publishes all of them.

    Args:
        pem: private keys on the curve P-256, one after another.

    Raises:
        SigningKeyUnusable: there is none, or one of another kind.
    """

    def __init__(self, pem: str) -> None:
        self._keys: dict[str, EllipticCurvePrivateKey] = {}
        for key in _parse(pem):
            # Known by its thumbprint (RFC 7638).
            canonical = json.dumps(_public(key.public_key()), sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(canonical.encode()).digest()
            self._keys[urlsafe_b64encode(digest).rstrip(b"=").decode()] = key
        self._current = next(iter(self._keys))

    @property
    def document(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517)."""
        return {
            "keys": [
                {**_public(key.public_key()), "alg": ALGORITHM, "use": "sig", "key_ops": ["verify"], "kid": key_id}
                for key_id, key in self._keys.items()
            ]
        }

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a token with these claims."""
        return jwt.encode(dict(claims), self._keys[self._current], algorithm=ALGORITHM, headers={"kid": self._current})

    def find(self, key_id: object) -> EllipticCurvePublicKey | None:
        """Return the public key of that id."""
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        return None if key is None else key.public_key()


def new_key() -> str:
    """Return a new private key as PEM."""
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _parse(pem: str) -> list[EllipticCurvePrivateKey]:
    # Line ends are lost where a variable is written as one line.
    keys = []
    for found in _PEM.finditer(pem.replace("\\n", "\n")):
        if found[1] == "EC PARAMETERS":  # openssl writes it before the key
            continue
        try:
            key = load_pem_private_key(found[0].encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise SigningKeyUnusable("a key cannot be read: it must be a PEM without a password") from None
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise SigningKeyUnusable("a key is not on P-256 (openssl ecparam -name prime256v1 -genkey -noout)")
        keys.append(key)
    if not keys:
        raise SigningKeyUnusable("no private key in PEM was found (openssl ecparam -name prime256v1 -genkey -noout)")
    return keys


def _public(key: EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"crv": "P-256", "kty": "EC", "x": _base64(numbers.x), "y": _base64(numbers.y)}


def _base64(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes(_COORDINATE_BYTES)).rstrip(b"=").decode()
