"""A certificate authority of one cluster, by the openssl program (the standard library signs nothing)."""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.cluster.processes import run

DAYS: Final = "365"
SERVICE_NAMES: Final = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


class CertificateAuthority:
    """Keys and certificates in one directory; what exists already is kept, so that a restart keeps its identities."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.certificate.exists():
            self._self_sign()
        if not self.service_account_key.exists():
            self._make_service_account_key()

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def service_account_key(self) -> Path:
        """Signs service account tokens; the public half is `service_account_public_key`."""
        return self.directory / "service-account.key"

    @property
    def service_account_public_key(self) -> Path:
        return self.directory / "service-account.pub"

    def issue(
        self, name: str, user: str, groups: Sequence[str] = (), addresses: Sequence[str] = ()
    ) -> tuple[Path, Path]:
        """Return a certificate and its key for a Kubernetes user, or for a server when `addresses` are given."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        if certificate.exists():
            return certificate, key
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        names = [f"DNS:{host}" for host in SERVICE_NAMES] + [f"IP:{address}" for address in addresses]
        extensions.write_text(
            f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth,clientAuth\n"
            if addresses
            else "extendedKeyUsage=clientAuth\n",
        )
        run(["openssl", "req", "-new", *_new_key(key), "-subj", subject, "-out", request])
        unfinished = certificate.with_suffix(".part")
        signer: list[str | Path] = [
            "-CA",
            self.certificate,
            "-CAkey",
            self.directory / "ca.key",
            "-set_serial",
            f"0x{os.urandom(16).hex()}",
        ]
        run(
            [
                "openssl",
                "x509",
                "-req",
                "-in",
                request,
                *signer,
                "-days",
                DAYS,
                "-extfile",
                extensions,
                "-out",
                unfinished,
            ]
        )
        key.chmod(0o600)
        unfinished.rename(certificate)
        return certificate, key

    def kubeconfig(self, path: Path, server: str, user: str, groups: Sequence[str] = ()) -> Path:
        """Write a kubeconfig (as JSON, which is YAML) that holds everything it needs."""
        certificate, key = self.issue(f"user-{user.replace(':', '-').replace('/', '-')}", user, groups)
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "loppestars",
            "clusters": [
                {
                    "name": "loppestars",
                    "cluster": {"server": server, "certificate-authority-data": _encoded(self.certificate)},
                }
            ],
            "contexts": [{"name": "loppestars", "context": {"cluster": "loppestars", "user": user}}],
            "users": [
                {
                    "name": user,
                    "user": {"client-certificate-data": _encoded(certificate), "client-key-data": _encoded(key)},
                }
            ],
        }
        path.write_text(json.dumps(document, indent=2) + "\n")
        path.chmod(0o600)
        return path

    def _self_sign(self) -> None:
        key, unfinished = self.directory / "ca.key", self.directory / "ca.part"
        run(
            [
                "openssl",
                "req",
                "-x509",
                *_new_key(key),
                "-days",
                DAYS,
                "-subj",
                "/CN=loppestars-local",
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-addext",
                "keyUsage=critical,keyCertSign,digitalSignature",
                "-out",
                unfinished,
            ]
        )
        key.chmod(0o600)
        unfinished.rename(self.certificate)

    def _make_service_account_key(self) -> None:
        key = self.directory / "service-account.part"
        run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key])
        run(["openssl", "pkey", "-in", key, "-pubout", "-out", self.service_account_public_key])
        key.chmod(0o600)
        key.rename(self.service_account_key)


def _new_key(path: Path) -> list[str | Path]:
    # Elliptic curves: an RSA key costs up to a second each.
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
