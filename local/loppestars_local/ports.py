"""Ports of loopback: is one free, which are, does something answer."""

import socket
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_MAX_PORT: Final = 65535


class PortInUse(RuntimeError):
    """Another program listens on the port."""


def check_port(port: int) -> None:
    """Raise `PortInUse` with what to do about it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            other = port + 1 if port < _MAX_PORT else port - 1
            raise PortInUse(
                f"Port {port} cannot be used ({error.strerror}). "
                f"Stop the program that uses it, or choose another: make run PORT={other}"
            ) from None


def free_ports(count: int) -> list[int]:
    """Different free ports of loopback."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def answers(url: str) -> bool:
    """Return whether a GET of a loopback URL is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False
