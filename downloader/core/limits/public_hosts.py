"""Which hosts are public, and the limits that hold there unless the user gives others.

A public host belongs to somebody else and serves others at the same time. Not public are loopback, private and link-local
addresses, and names that only exist in the local network. The text of the host alone decides: no name is looked up.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

MAX_AT_PUBLIC_HOST = 16
"""Attempts in flight at one public host."""

START_AT_PUBLIC_HOST = 4
"""Attempts in flight at one public host at first; more only where that brings more."""

MAX_SEGMENTS_AT_PUBLIC_HOST = 6
"""Segments of one file in flight, where one of its URLs is at a public host."""

_PRIVATE_NETWORKS = tuple(ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
"""RFC 1918 and RFC 4193."""

_LOCAL_DOMAINS = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""Not in the public DNS: RFC 6761, RFC 6762, ICANN's resolution of 2024-07-29, by custom, RFC 8375."""


@lru_cache(maxsize=4096)
def is_public(host: str) -> bool:
    """Whether a host (``name``, ``name:port``, ``[address]:port``) is public. Never raises."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    name = name.rstrip(".").lower()
    try:
        return not _is_private(ip_address(name))
    except ValueError:
        return "." in name and not name.endswith(_LOCAL_DOMAINS)


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        return True
    return any(address in network for network in _PRIVATE_NETWORKS)
