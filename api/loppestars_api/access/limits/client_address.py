"""Which address a request comes from, for rate limits.

`X-Forwarded-For` is a list that each proxy appends to; anybody can send one that is already filled in. So it is read
from its end, and only as far as the proxies are ones that the configuration names.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.types import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN: Final = "unknown"
# A household or a phone gets a whole /64 and can take any address in it.
_IPV6_PREFIX: Final = 64


class ClientAddresses:
    """Finds the client's address behind the trusted proxies."""

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._trusted = tuple(trusted_proxies)
        self._is_trusted = lru_cache(maxsize=4096)(
            lambda address: any(address in network for network in self._trusted if network.version == address.version)
        )

        @lru_cache(maxsize=4096)
        def key_of_peer(text: str) -> str:
            address = parse_address(text)
            return UNKNOWN if address is None else limit_key(address)

        self._key_of_peer = key_of_peer

    def key_of(self, scope: Scope) -> str:
        """Return what limits count by: an IPv4 address, the /64 of an IPv6 one, or `unknown` (a Unix socket)."""
        if not self._trusted:
            return self._key_of_peer(scope["client"][0]) if scope.get("client") else UNKNOWN
        address = self._client(scope)
        return UNKNOWN if address is None else limit_key(address)

    def _client(self, scope: Scope) -> Address | None:
        peer = parse_address(scope["client"][0]) if scope.get("client") else None
        if peer is None or not self._is_trusted(peer):
            return peer
        nearest = peer
        for text in reversed(forwarded_for(scope)):
            address = parse_address(text)
            if address is None:
                return nearest
            nearest = address
            if not self._is_trusted(address):
                return address
        return nearest


def forwarded_for(scope: Scope) -> list[str]:
    """Return the entries of all X-Forwarded-For headers, in order."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [entry.strip() for value in values for entry in value.split(",") if entry.strip()]


def parse_address(text: str) -> Address | None:
    """Parse an address as proxies write it: bare, in brackets, with or without a port. An IPv4-mapped one is IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def limit_key(address: Address) -> str:
    """Return what limits count an address by."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _IPV6_PREFIX), strict=False))
