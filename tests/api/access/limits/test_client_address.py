"""Which address counts for rate limits, with and without proxies."""

from ipaddress import ip_network
from typing import Any

import pytest

from loppestars_api.access.limits.client_address import ClientAddresses

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"client": None if peer is None else (peer, 1234), "headers": headers}


class TestKeyOf:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "key"),
        [
            ("203.0.113.9", [], "203.0.113.9"),
            ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not a trusted proxy: its word is worth nothing
            ("10.0.0.5", ["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.5", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),  # what the client itself filled in is on the left
            ("10.0.0.5", ["1.2.3.4", "198.51.100.1, 10.0.0.9"], "198.51.100.1"),  # two proxies, two headers
            ("10.0.0.5", ["10.0.0.7, 10.0.0.6"], "10.0.0.7"),
            ("10.0.0.5", ["nonsense"], "10.0.0.5"),
            ("10.0.0.5", ["1.2.3.4, nonsense"], "10.0.0.5"),
            ("10.0.0.5", ["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.5", ["[2001:db8:1:2:3:4:5:6]:443"], "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.9", [], "203.0.113.9"),
            ("2001:db8:1:2:ffff::1", [], "2001:db8:1:2::/64"),
            ("fd00::1", ["2001:db8:9:9::1"], "2001:db8:9:9::/64"),
            (None, ["198.51.100.1"], "unknown"),
            ("not-an-address", [], "unknown"),
        ],
    )
    def test_the_nearest_address_that_is_no_trusted_proxy_counts(
        self, peer: str | None, forwarded: list[str], key: str
    ) -> None:
        """X-Forwarded-For is read from its end, and only as far as configured proxies wrote it."""
        assert ClientAddresses(PROXIES).key_of(scope(peer, *forwarded)) == key

    def test_without_proxies_the_header_is_never_read(self) -> None:
        """An empty setting trusts nobody, loopback included."""
        assert ClientAddresses(()).key_of(scope("127.0.0.1", "198.51.100.1")) == "127.0.0.1"
