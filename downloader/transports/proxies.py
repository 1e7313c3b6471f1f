"""The proxies of the environment, and which of them a URL is fetched through.

The variables are those of curl and requests: ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``, each also in
capitals, but for ``HTTP_PROXY``: where a program runs as a CGI script, a request sets it with a header ``Proxy``. The name in
small letters counts more, even if its value is empty.

``no_proxy`` is a list, separated by commas or spaces, of the hosts that are fetched without a proxy:

============================ =====================================================================
``example.org``              this host and all hosts below it; also ``.example.org``, ``*.example.org``
``example.org:8080``         the same at this port; 80 and 443 are the ports of URLs without one
``192.0.2.1``, ``[::1]``     this address; it may have a port
``192.0.2.0/24``, ``fc00::/7`` the addresses of this network. No name is looked up
``*``                        every host
============================ =====================================================================

requests and libcurl agree on most of this. They know neither ``*.example.org`` nor ``*`` in a list. requests knows no IPv6
networks, no spaces between entries, and a port only if the URL has it; libcurl knows no ports, and new versions no spaces.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from downloader.errors import UsageError

Proxies = tuple[tuple[str, str], ...]
"""Pairs of ``http``, ``https``, ``all`` or ``no``, and the value of that variable."""

_SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})
_PORTS = {"http": 80, "https": 443}
_Address = IPv4Address | IPv6Address


def read_proxies(environment: Mapping[str, str]) -> Proxies:
    """The proxies that the environment names. Raises UsageError for a text that is not the URL of a proxy."""
    found = []
    for name in ("all", "http", "https", "no"):
        variable = f"{name}_proxy"
        if variable not in environment and name != "http":
            variable = variable.upper()
        value = environment.get(variable, "").strip()
        if value and name != "no":
            value = with_scheme(value)
            if not _is_valid(value):
                raise UsageError(f"the environment variable {variable} is not the URL of a proxy", hint="as http://host:port")
        if value:
            found.append((name, value))
    return tuple(found)


def _is_valid(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def with_scheme(proxy: str) -> str:
    """The URL of a proxy, with its scheme in small letters. ``http://`` if it has none; ``socks://`` is SOCKS 4, as in curl."""
    scheme, mark, rest = proxy.partition("://")
    if not mark:
        return f"http://{proxy}"
    return f"{'socks4' if scheme.lower() == 'socks' else scheme.lower()}://{rest}"


@lru_cache(maxsize=1024)
def proxy_of(proxies: Proxies, scheme: str, netloc: str) -> str:
    """The proxy for the URLs with this scheme and host (``name`` or ``name:port``); empty for none."""
    known = dict(proxies)
    proxy = known.get(scheme) or known.get("all") or ""
    return "" if proxy and "no" in known and is_exempt(known["no"], scheme, netloc) else proxy


def is_exempt(no_proxy: str, scheme: str, netloc: str) -> bool:
    """Whether ``no_proxy`` contains the host of a URL."""
    parts = urlsplit(f"{scheme}://{netloc}")
    host, port = (parts.hostname or "").removesuffix("."), parts.port or _PORTS.get(scheme, 0)
    address = _address(host)
    return any(_matches(entry, host, address, port) for entry in re.split(r"[\s,]+", no_proxy.lower()) if entry)


def _matches(entry: str, host: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _contains(entry, address)
    if _address(entry) is None:  # an IPv6 address without brackets has colons, but no port
        entry, colon, number = entry.rpartition(":") if re.search(r":\d+$", entry) else (entry, "", "")
        if colon and int(number) != port:
            return False
    if address is not None:
        return _address(entry.strip("[]")) == address
    name = entry.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _contains(network: str, address: _Address) -> bool:
    try:
        return address in ip_network(network.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def _address(text: str) -> _Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
