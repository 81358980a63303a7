"""Names of hosts in addresses."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Return whether a host, an IPv6 one with or without brackets, is this machine: http is safe there."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
