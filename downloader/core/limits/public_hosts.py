"""Which hosts are public, and what a public host is asked to bear unless the user says more.

A public host belongs to somebody else and serves others at the same time. A loopback, private or link-local address, and a
name that can only be of the local network, are not public. Decided by the host's text alone: no name is looked up.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

MOST = 16
"""Attempts in flight at one public host."""

START = 4
"""Attempts in flight at one public host at first; more only after they were seen to help."""

MOST_SEGMENTS = 6
"""Segments of one file in flight, where one of its URLs is at a public host."""

_PRIVATE = tuple(ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
"""RFC 1918 and RFC 4193."""

_LOCAL = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""ClaimedPaths that are not of the public DNS: RFC 6761, RFC 6762, ICANN's resolution of 2024-07-29, custom, RFC 8375."""


@lru_cache(maxsize=4096)
def is_public(host: str) -> bool:
    """Whether this host (``name``, ``name:port``, ``[address]:port``) is public. Never raises."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    name = name.rstrip(".").lower()
    try:
        return not _is_private(ip_address(name))
    except ValueError:
        return "." in name and not name.endswith(_LOCAL)


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        return True
    return any(address in network for network in _PRIVATE)
