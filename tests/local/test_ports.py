"""Ports of loopback."""

import socket

import pytest

from loppestars_local.ports import PortInUse, answers, check_port, free_ports


class TestPorts:
    def test_in_use(self) -> None:
        """One sentence: which port, and how to choose another."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(PortInUse, match=rf"Port {port} cannot be used .* make run PORT="):
                check_port(port)
        check_port(port)

    def test_free_ones_differ(self) -> None:
        """As many as asked for, all different."""
        assert len(set(free_ports(20))) == 20

    def test_closed(self) -> None:
        """A closed port is simply no answer."""
        assert not answers(f"http://127.0.0.1:{free_ports(1)[0]}/ready")
