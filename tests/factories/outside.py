"""An outside that is reached as in a closed cluster: a TLS server of a private authority, behind a proxy.

The server's name is in no DNS: only the proxy knows where it is.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "outside.example"
ANSWER = b'{"name": "outside"}'
_PEM = serialization.Encoding.PEM


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        .sign(signer, hashes.SHA256())
    )


def make_authority(folder: Path, host: str = HOST) -> tuple[Path, Path]:
    """The authority's certificate, and certificate and key of a server that it vouches for."""
    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("authority.example", authority, "authority.example", authority, is_authority=True)
    leaf = _certificate(host, server, "authority.example", authority, is_authority=False)
    bundle, own = folder / "ca.crt", folder / "server.pem"
    bundle.write_bytes(root.public_bytes(_PEM))
    secret = server.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    own.write_bytes(leaf.public_bytes(_PEM) + secret)
    return bundle, own


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""


class Proxy(ThreadingHTTPServer):
    """A proxy by CONNECT that leads to one server, whatever host is asked for; `asked` are those hosts."""

    daemon_threads = True

    def __init__(self, target: tuple[str, int]) -> None:
        self.target, self.asked = target, list[str]()
        super().__init__(("127.0.0.1", 0), _Tunnel)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Tunnel(BaseHTTPRequestHandler):
    server: Proxy

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        with socket.create_connection(self.server.target, timeout=10) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=self._copy, args=(there, self.connection), daemon=True)
            back.start()
            self._copy(self.connection, there)
            back.join(10)

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def outside(folder: Path) -> Iterator[tuple[Proxy, Path]]:
    """The proxy that leads to the server, and the authority's certificate."""
    bundle, own = make_authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    site = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    site.socket = context.wrap_socket(site.socket, server_side=True, do_handshake_on_connect=False)
    proxy = Proxy(("127.0.0.1", site.server_address[1]))
    with serving(site), serving(proxy):
        yield proxy, bundle
